import CLinux
import Glibc
import Platform
import SystemPackage

/// A listening TCP socket, non-blocking.
final class Listener {
    let descriptor: Descriptor
    /// With the port number that was bound.
    let address: SocketAddress

    /// - Parameter receiveBuffer: the receive window of accepted connections, in bytes; nil: the kernel sizes it.
    init(_ wanted: SocketAddress, receiveBuffer: Int? = nil) throws(Errno) {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Descriptor(owning: try syscall("socket") { socket(wanted.family, kind, 0) })
        // A port whose last connection is in TIME_WAIT can be listened on again.
        setOption(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        // The kernel takes twice the size, half of it for its own books.
        if let receiveBuffer {
            setOption(descriptor.raw, SOL_SOCKET, SO_RCVBUF, Int32(clamping: receiveBuffer))
        }
        try syscall("bind") { wanted.withSockaddr { bind(descriptor.raw, $0, $1) } }
        try syscall("listen") { listen(descriptor.raw, 16) }
        address = SocketAddress(filledBy: { getsockname(descriptor.raw, $0, $1) }) ?? wanted
        self.descriptor = descriptor
    }

    /// The next connection; nil when none waits.
    func accept() throws(Errno) -> Accepted? {
        do {
            let raw = try syscall("accept4") { clinux_accept(descriptor.raw) }
            return Accepted(descriptor: Descriptor(owning: raw))
        } catch {
            // A connection that went away before it was taken is none.
            guard error == .wouldBlock || error == .connectionAbort else { throw error }
            return nil
        }
    }
}

/// A connection just accepted.
struct Accepted: ~Copyable {
    let descriptor: Descriptor

    consuming func takeDescriptor() -> Descriptor { descriptor }

    /// Where it comes from.
    var peer: String {
        SocketAddress(filledBy: { getpeername(descriptor.raw, $0, $1) })?.description ?? "an unknown address"
    }

    /// Small messages leave at once; a peer that is gone without a word is found out.
    func setOptions() {
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        setOption(descriptor.raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
        setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }
}

/// Sets an integer option of a socket. Failing is no harm: it is asked for comfort only.
private func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

extension Descriptor {
    /// Has a socket's close send a reset, and drop what is unsent.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}
