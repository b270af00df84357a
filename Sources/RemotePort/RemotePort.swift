import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// The TCP connection of one port, and its two threads: the receive thread blocks in recv(2) and hands on what comes;
/// the transmit thread connects, sends what could not be sent at once, and watches the clock.
///
/// Concurrency model: everything shared is in `state`, behind its own lock, which is taken after the port's. The
/// socket is opened and closed by the transmit thread alone, and closed only when nobody receives or sends on it.
package final class RemotePort: RemoteSide {
    struct State {
        enum Request {
            case connect
            case disconnect(graceful: Bool)
        }

        /// What the port last asked for, until the transmit thread takes it up.
        var request: Request?
        /// The connected socket.
        var socket: Int32?
        /// Counts connections, so that the receive thread takes each up once; the number of the last.
        var connections = 0
        /// The receive thread is at work on the socket.
        var isReceiving = false
        /// Somebody is sending on the socket.
        var isSending = false
        /// The socket is to be left; nothing more is wanted from it.
        var isClosing = false
        /// Sending found the socket full.
        var isBlocked = false
        /// The socket is broken, which the receive thread finds out when it comes to it; nothing can be sent any more.
        var isBroken = false
        /// When the port's time is to be passed on; and until when the transmit thread sleeps (nil: for ever).
        var deadline: MonotonicTime?
        var sleepsUntil: MonotonicTime??
        var isStopped = false
        /// Where the remote port may be, in the order in which that is tried; and how often that has changed.
        var servers: [Endpoint]
        var changes = 0

        /// Nobody is at work on the socket: it may be closed.
        var isIdle: Bool { !isReceiving && !isSending }

        /// - Parameter connection: the one that what is to be sent is for.
        mutating func beginSending(_ connection: Int) -> Int32? {
            guard let socket, !isBlocked, !isClosing, connection == connections else { return nil }
            isSending = true
            return socket
        }
    }

    let port: Port
    let state: Monitor<State>
    let wake: EventDescriptor
    /// Seconds after which a peer that acknowledges nothing counts as dead.
    let deadAfter: Int32
    /// All addresses but the last get their part of this time to answer, in nanoseconds.
    let patience: UInt64

    /// - Parameters:
    ///   - servers: where the remote port may be, in the order in which that is to be tried.
    ///   - deadAfter: seconds without an acknowledgement after which the peer counts as dead.
    ///   - patience: how long a program waits for the connection, in nanoseconds.
    /// - Throws: where the kernel gives no event descriptor.
    package init(
        _ servers: [Endpoint], port: Port, deadAfter: Int32, patience: UInt64 = .seconds(5)
    ) throws(Errno) {
        state = Monitor(State(servers: servers))
        self.port = port
        self.deadAfter = deadAfter
        self.patience = patience
        wake = try EventDescriptor()
    }

    /// Starts both threads.
    package func start() throws(Errno) -> [Thread] {
        [
            try Thread("transmit") { self.transmitLoop() },
            try Thread("receive") { self.receiveLoop() },
        ]
    }

    package var servers: [Endpoint] { state.withLock { $0.servers } }

    /// From now on these servers, in this order. A connection that stands is kept; an attempt to make one begins anew.
    package func setServers(_ servers: [Endpoint]) {
        let isNew = state.withLock { state -> Bool in
            guard state.servers != servers else { return false }
            state.servers = servers
            state.changes += 1
            return true
        }
        guard isNew else { return }
        wake.signal()
        port.withTTY { $0.serversChanged() }
    }

    /// Ends the connection and both threads, after what is unsent.
    package func stop() {
        state.withLock { $0.isStopped = true }
        state.wakeAll()
        wake.signal()
    }
}

// What the port asks for, under its lock.
extension RemotePort {
    package func connect() { request(.connect) }

    package func disconnect(graceful: Bool) { request(.disconnect(graceful: graceful)) }

    private func request(_ request: State.Request) {
        state.withLock { $0.request = request }
        wake.signal()
    }

    package func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int {
        // Without a lock: who sends keeps the socket open by being part of the connection (see `endConnection`).
        guard let socket = state.withLock({ $0.beginSending(connection) }) else { return 0 }
        let sent = bytes.withUnsafeBytes { raw in
            Glibc.send(socket, raw.baseAddress, raw.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        let isBlocked = sent < bytes.count
        if isBlocked { SocketOptions.setUserTimeout(of: socket, seconds: 0) }
        let isAwaited = state.withLock { state -> Bool in
            state.isSending = false
            // A broken connection is the receive thread's to report; a full socket is waited for.
            if isBlocked { state.isBlocked = true }
            return state.isClosing
        }
        if isAwaited { state.wakeAll() }
        if isBlocked { wake.signal() }
        return max(sent, 0)
    }

    package var unacknowledged: Int {
        // Under the lock: the socket is closed only once it is no longer there.
        state.withLock { $0.socket.map(Self.unacknowledged) ?? 0 }
    }

    package func schedule(_ deadline: MonotonicTime?) {
        let isSooner = state.withLock { state -> Bool in
            guard state.deadline != deadline else { return false }
            state.deadline = deadline
            guard let deadline, case .some(let sleepsUntil) = state.sleepsUntil else { return false }
            return sleepsUntil.map { deadline < $0 } ?? true
        }
        if isSooner { wake.signal() }
    }
}
