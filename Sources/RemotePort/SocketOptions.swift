import Glibc
import Platform
import SystemPackage

/// The socket options a port's connection has.
enum SocketOptions {
    /// Bytes the kernel keeps that the peer has no window for yet. What is there is out of reach of tcflush, and a change
    /// of settings stands behind it: left alone, it grows to megabytes, which are an hour of a slow line.
    private static let unsentLimit: Int32 = 65536

    /// No delay, keepalive, and an end to unacknowledged data, so that a dead peer is found within `deadAfter` seconds.
    static func apply(to socket: Int32, deadAfter: Int32) {
        set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, unsentLimit)
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE, max(1, deadAfter / 2))
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(1, deadAfter / 6))
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        setUserTimeout(of: socket, seconds: deadAfter)
    }

    /// TCP_USER_TIMEOUT. It also ends connections whose peer answers but keeps its window shut, as a serial port under
    /// held flow control does: so it is switched off (0) for as long as sending is blocked.
    static func setUserTimeout(of socket: Int32, seconds: Int32) {
        set(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, seconds &* 1000)
    }

    /// SO_LINGER of no time: close(2) drops what is unsent and resets the connection.
    static func endHard(_ socket: Int32) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    /// Options are wishes: a kernel without one still connects.
    private static func set(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
