import Platform

/// The control socket of a running port.
package enum PortControl {}
