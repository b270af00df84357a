import SystemBus

/// Services on the network, through Avahi.
package enum Discovery {}
