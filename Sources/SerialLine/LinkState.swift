/// How a port stands with its server, as people are told.
package enum LinkState: String, Sendable, CaseIterable {
    /// No connection, and none wanted.
    case idle
    /// Being connected, or there is no connection yet and it will be tried again.
    case connecting
    case connected
    /// The connection broke, and is being made again.
    case lost
    /// Being ended by us.
    case disconnecting
}
