import CSystemd

/// The D-Bus system bus, through libsystemd's sd-bus.
package enum SystemBus {}
