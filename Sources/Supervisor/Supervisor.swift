import PortPlan

/// Keeps the wanted ports running.
package enum Supervisor {}
