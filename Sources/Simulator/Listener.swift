import CLinux
import Glibc
import Platform
import SystemPackage

/// A listening TCP socket, non-blocking.
final class Listener {
    let descriptor: Descriptor
    /// Includes the port number that was bound.
    let address: SocketAddress

    /// - Parameter receiveBuffer: the receive window of accepted connections, in bytes; nil: the kernel sizes it.
    init(_ wanted: SocketAddress, receiveBuffer: Int? = nil) throws(Errno) {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Descriptor(owning: try syscall("socket") { socket(wanted.family, kind, 0) })
        // A port whose last connection is in TIME_WAIT can be bound again.
        setOption(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        // The kernel doubles the size, and uses half of it for its own data.
        if let receiveBuffer {
            setOption(descriptor.raw, SOL_SOCKET, SO_RCVBUF, Int32(clamping: receiveBuffer))
        }
        try syscall("bind") { wanted.withSockaddr { bind(descriptor.raw, $0, $1) } }
        try syscall("listen") { listen(descriptor.raw, 16) }
        address = SocketAddress(filledBy: { getsockname(descriptor.raw, $0, $1) }) ?? wanted
        self.descriptor = descriptor
    }

    /// The next connection; nil if none is waiting.
    func accept() throws(Errno) -> Accepted? {
        do {
            let raw = try syscall("accept4") { clinux_accept(descriptor.raw) }
            return Accepted(descriptor: Descriptor(owning: raw))
        } catch {
            // A connection that ended before it was accepted is ignored.
            guard error == .wouldBlock || error == .connectionAbort else { throw error }
            return nil
        }
    }
}

/// A connection just accepted.
struct Accepted: ~Copyable {
    let descriptor: Descriptor

    consuming func takeDescriptor() -> Descriptor { descriptor }

    /// The address of the peer.
    var peer: String {
        SocketAddress(filledBy: { getpeername(descriptor.raw, $0, $1) })?.description ?? "an unknown address"
    }

    /// Sends small messages at once, and detects a peer that has disappeared.
    func setOptions() {
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        setOption(descriptor.raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }
}

/// Sets an integer option of a socket. Errors are ignored, because the option is not essential.
private func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

extension Descriptor {
    /// Makes close(2) send a reset and drop unsent bytes.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}
