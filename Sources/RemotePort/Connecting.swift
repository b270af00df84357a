import Glibc
import Platform
import SerialLine
import SystemPackage

/// A connection that could not be made, in one line.
package struct ConnectFailure: Error, CustomStringConvertible {
    let endpoint: Endpoint
    let address: SocketAddress
    let error: Errno

    package var description: String {
        let place = address.description == endpoint.description ? "\(endpoint)" : "\(endpoint) (\(address))"
        let hint =
            error == .connectionRefused
            ? " (nothing listens there, or the server takes no client now: it may still hold another one,"
                + " or output that cannot drain)" : ""
        return "cannot connect to \(place): \(error)\(hint)"
    }
}

/// The two halves of connecting without blocking.
enum Connecting {
    /// Starts connecting: the socket is writable once that has ended.
    static func begin(_ address: SocketAddress) throws(Errno) -> Descriptor {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(address.family, flags, 0) })
        do {
            try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
        } catch .nowInProgress {
        }
        return socket
    }

    /// Takes the result; the socket blocks from here on.
    static func finish(_ socket: borrowing Descriptor) throws(Errno) {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try syscall("getsockopt") { getsockopt(socket.raw, SOL_SOCKET, SO_ERROR, &error, &length) }
        if error != 0 { throw Errno(rawValue: error) }
        try socket.setNonBlocking(false)
    }
}
