import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage
import TestSupport

/// A `ServerPlayer` behind a TCP port of this machine, for tests that depend on the sockets.
///
/// Concurrency model: one thread accepts and receives; all that tests change and look at is behind a lock.
final class TCPServerPlayer: Sendable {
    /// What happens to a connection.
    enum Manner: Sendable {
        case serves
        /// It is closed at once.
        case closes
        /// It is served, and each answer goes out in two pieces, with Nagle's algorithm.
        case halvesAnswers
    }

    private struct State {
        var reads = true
        /// The connection must be reset.
        var drops = false
        /// Length of `data` when a connection was reset.
        var dataBeforeReset: Int?
        var connections = 0
        /// The data of all connections.
        var data: [UInt8] = []
        var isStopped = false
    }

    let port: UInt16
    private let listener: Descriptor
    private let manner: Manner
    private let state = Monitor(State())
    private let thread = Monitor<Thread?>(nil)

    /// Listens, and serves in a thread of its own.
    /// - Parameter receiveBuffer: SO_RCVBUF of each connection, in bytes; nil for the kernel's choice.
    init(_ manner: Manner = .serves, receiveBuffer: Int32? = nil) throws {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let listener = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_INET, flags, 0) })
        if var size = receiveBuffer { setsockopt(listener.raw, SOL_SOCKET, SO_RCVBUF, &size, 4) }
        let any = try Endpoint(host: "127.0.0.1", port: 0).resolve()[0]
        try syscall("bind") { any.withSockaddr { bind(listener.raw, $0, $1) } }
        try syscall("listen") { listen(listener.raw, 8) }
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try syscall("getsockname") {
            withUnsafeMutablePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener.raw, $0, &length) }
            }
        }
        port = UInt16(bigEndian: name.sin_port)
        self.listener = listener
        self.manner = manner
        let started = try Thread("server") { self.run() }
        thread.withLock { $0 = started }
    }

    /// Ends the connection and the thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        thread.withLock { thread in
            defer { thread = nil }
            return thread
        }?.join()
    }

    /// Number of connections accepted.
    var connections: Int { state.withLock { $0.connections } }
    /// All data received.
    var data: [UInt8] { state.withLock { $0.data } }
    /// Stops or resumes reading.
    func setReading(_ reads: Bool) { state.withLock { $0.reads = reads } }

    /// Bytes of data received before the reset that `drop` asked for; nil before it.
    var dataBeforeReset: Int? { state.withLock { $0.dataBeforeReset } }

    /// Resets the connection.
    func drop() { state.withLock { $0.drops = true } }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func run() {
        while !isStopped {
            guard isReadable(listener.raw) else { continue }
            let socket = accept(listener.raw, nil, nil)
            guard socket >= 0 else { continue }
            state.withLock { $0.connections += 1 }
            if manner != .closes { serve(socket) }
            Glibc.close(socket)
        }
    }

    private func isReadable(_ descriptor: Int32) -> Bool {
        var descriptors = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        return (try? waitForEvents(&descriptors, nanoseconds: .milliseconds(20))) ?? 0 > 0
    }

    private func serve(_ socket: Int32) {
        var player = ServerPlayer(now: .now)
        var buffer = [UInt8](repeating: 0, count: 4096)
        send(&player, socket)
        while !isStopped {
            if isDropped() { return endHard(socket) }
            guard state.withLock({ $0.reads }) else {
                usleep(5000)
                continue
            }
            guard isReadable(socket) else { continue }
            let count = recv(socket, &buffer, buffer.count, 0)
            if count <= 0 { return }
            player.receive(Array(buffer[..<count]), now: .now)
            let data = player.data
            player.forget()
            state.withLock { $0.data += data }
            send(&player, socket)
        }
    }

    private func isDropped() -> Bool {
        state.withLock { state in
            guard state.drops else { return false }
            state.drops = false
            state.dataBeforeReset = state.data.count
            return true
        }
    }

    /// Lets close(2) reset the connection.
    private func endHard(_ socket: Int32) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    private func send(_ player: inout ServerPlayer, _ socket: Int32) {
        let half = manner == .halvesAnswers ? player.output.count / 2 : 0
        for part in [player.output[..<half], player.output[half...]] where !part.isEmpty {
            _ = part.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
        player.output.removeAll()
    }
}
