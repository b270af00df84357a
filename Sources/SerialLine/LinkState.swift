/// The state of a port's connection, as reported.
package enum LinkState: String, Sendable, CaseIterable {
    /// Not connected, and not supposed to be.
    case idle
    /// Connecting, or waiting for the next attempt before the first success.
    case connecting
    case connected
    /// The connection was lost, and is being made again.
    case lost
    /// The port is ending the connection.
    case disconnecting
}
