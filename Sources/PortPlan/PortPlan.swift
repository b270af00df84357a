import SerialLine

/// Which ports are wanted, and what is to be done about those that run.
package enum PortPlan {}
