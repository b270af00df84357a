import SerialLine
import SystemPackage

/// A command to the thread that owns the TCP connection. A newer command replaces one that the thread has not taken
/// yet.
package enum RemoteCommand: Equatable, Sendable {
    /// Look up the addresses of a server; `lookedUp` with this number follows.
    case lookUp(Int, Endpoint)
    /// Connect to this address, as the connection of this number; `connected` or `connectFailed` follows.
    case connect(Int, ServerAddress)
    /// End this connection, or the attempt to make it: after the unsent bytes (graceful), or at once. `disconnected`
    /// always follows.
    case disconnect(Int, graceful: Bool)
}

/// One address of a server.
package struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// The socket address as system calls take it (struct sockaddr_in, sockaddr_in6).
    package let bytes: [UInt8]
    /// The address in numbers, with the port.
    package let description: String

    package init(bytes: [UInt8], description: String) {
        self.bytes = bytes
        self.description = description
    }
}

/// A name lookup failed; the description is one line.
package struct LookupFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// A TCP connection could not be made; the description is one line.
package struct ConnectFailure: Error, CustomStringConvertible {
    package let server: Endpoint
    package let address: ServerAddress
    package let error: Errno

    package init(server: Endpoint, address: ServerAddress, error: Errno) {
        self.server = server
        self.address = address
        self.error = error
    }

    package var description: String {
        let place = address.description == server.description ? "\(server)" : "\(server) (\(address))"
        let hint =
            error == .connectionRefused
            ? " (no server is listening, or the server accepts no client now: it may be serving another one,"
                + " or waiting for output that cannot drain)" : ""
        return "cannot connect to \(place): \(error)\(hint)"
    }
}

/// One pass over all servers of a port and all their addresses, in order.
struct ServerPass: Sendable {
    private let serverCount: Int
    private var servers: ArraySlice<Endpoint>
    private var addresses: ArraySlice<ServerAddress> = []
    private var addressCount = 1
    /// The server being tried.
    private(set) var server: Endpoint?
    /// The address being tried.
    private(set) var address: ServerAddress?
    /// Why the attempts of this pass failed, in order.
    private(set) var reasons: [String] = []
    private(set) var error = Errno.noRouteToHost

    init(_ servers: [Endpoint]) {
        serverCount = servers.count
        self.servers = servers[...]
    }

    /// Is there anything left to try?
    var hasMore: Bool { !servers.isEmpty || !addresses.isEmpty }

    mutating func nextAddress() -> ServerAddress? {
        address = addresses.popFirst()
        return address
    }

    mutating func nextServer() -> Endpoint? {
        server = servers.popFirst()
        return server
    }

    /// Sets the addresses of the server being tried.
    mutating func take(_ addresses: [ServerAddress]) {
        self.addresses = addresses[...]
        addressCount = max(addresses.count, 1)
    }

    mutating func failed(_ error: Errno, _ reason: String) {
        self.error = error
        reasons.append(reason)
    }

    /// The connection to the address being tried could not be made.
    mutating func connectFailed(_ error: Errno) {
        guard let server, let address else { return }
        failed(error, ConnectFailure(server: server, address: address, error: error).description)
    }

    /// The time for the current address or server, in nanoseconds: its share of `patience`, and all of `patience` if
    /// it is the last one.
    func limit(of patience: UInt64) -> UInt64 {
        let part = hasMore ? patience / UInt64(max(serverCount * addressCount, 1)) : patience
        return max(part, .milliseconds(300))
    }
}
