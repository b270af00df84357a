import CLinux
import Glibc
import SerialLine
import SystemPackage
import VirtualTTY

/// The socket options of a port's connection, and its state in the kernel.
enum SocketOptions {
    /// Most unsent bytes that the kernel keeps. tcflush cannot reach them, and a change of settings stands behind
    /// them. Without this limit they grow to megabytes, which take an hour on a slow line.
    private static let unsentLimit: Int32 = 65536
    /// Most bytes that the server may have on the way, or unread in this kernel. If a server ends a connection whose
    /// bytes no program reads, all of them are received (`Backlog.capacity`).
    private static let receiveWindow: Int32 = 262_144

    /// Sets no delay, and a keepalive that detects a dead peer within `deadAfter` seconds while nothing is pending (4
    /// seconds at least). TCP_USER_TIMEOUT is not used: it ends a connection whose peer answers but keeps its window
    /// closed, as a serial port under flow control does.
    static func apply(to socket: Int32, deadAfter: Int32) {
        set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, unsentLimit)
        set(socket, Int32(IPPROTO_TCP), TCP_WINDOW_CLAMP, receiveWindow)
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE, max(1, deadAfter / 2))
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(1, deadAfter / 6))
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }

    /// Acknowledges received bytes at once. A server with Nagle's algorithm holds back the rest of its answers until
    /// the first part is acknowledged; the kernel resets this option by itself.
    static func acknowledgeAtOnce(_ socket: Int32) { set(socket, Int32(IPPROTO_TCP), TCP_QUICKACK, 1) }

    /// Sets SO_LINGER to no time: close(2) drops unsent bytes and resets the connection.
    static func endHard(_ socket: Int32) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    /// Errors are ignored: a kernel without one of these options can still connect.
    private static func set(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Bytes that the peer's kernel has not acknowledged, sent or not (SIOCOUTQ).
    static func unacknowledged(_ socket: Int32) -> Int {
        var count: Int32 = 0
        return clinux_ioctl_pointer(socket, UInt(SIOCOUTQ), &count) == 0 ? Int(count) : 0
    }

    static func window(_ socket: Int32) -> PeerWindow.State {
        var state = clinux_tcp_state()
        let isKnown = clinux_tcp_state(socket, &state) == 0 && state.has_window != 0
        return PeerWindow.State(window: isKnown ? Int(state.window) : nil, unacknowledged: unacknowledged(socket))
    }

    static func lifeSigns(_ socket: Int32) -> LifeSigns {
        var state = clinux_tcp_state()
        guard clinux_tcp_state(socket, &state) == 0 else { return .quiet }
        return LifeSigns(
            hasPending: unacknowledged(socket) > 0, hasUnacknowledged: state.unacked_segments > 0,
            sinceAcknowledgement: .milliseconds(UInt64(state.since_last_ack_ms)),
            acknowledged: state.has_acknowledged != 0 ? state.acknowledged : nil, unansweredProbes: Int(state.probes))
    }
}
