import Glibc
import Platform
import SystemPackage

/// The two halves of a non-blocking connect.
enum Connecting {
    /// Starts a connect; the socket becomes writable when the connect has ended.
    static func begin(_ address: SocketAddress, _ prepare: (Int32) -> Void = { _ in }) throws(Errno) -> Descriptor {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(address.family, flags, 0) })
        prepare(socket.raw)
        do {
            try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
        } catch .nowInProgress {
        }
        return socket
    }

    /// Returns the result; the socket is blocking from here on.
    static func finish(_ socket: borrowing Descriptor) throws(Errno) {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try syscall("getsockopt") { getsockopt(socket.raw, SOL_SOCKET, SO_ERROR, &error, &length) }
        if error != 0 { throw Errno(rawValue: error) }
        try socket.setNonBlocking(false)
    }
}
