import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// The TCP connection of one port, and its two threads: the receive thread blocks in recv(2) and hands on what comes;
/// the transmit thread carries out the port's commands, waits for a full socket, and watches the clock. Which server is
/// tried and when a connection ends is decided by the port (`RemoteLink`).
///
/// Concurrency model: everything shared is in `state`, behind its own lock, which is taken after the port's. The
/// socket is opened and closed by the transmit thread alone, and closed only when no thread receives or sends on it.
package final class RemotePort: RemoteSide {
    struct State {
        /// The port's last command, until the transmit thread takes it up.
        var command: RemoteCommand?
        /// The connected socket, and its number.
        var socket: Int32?
        var number = 0
        /// The receive thread is at work on the socket.
        var isReceiving = false
        /// A thread is sending on the socket.
        var isSending = false
        /// The socket is being left; nothing more is wanted from it.
        var isClosing = false
        /// The receive thread sleeps, because programs are far behind.
        var isPaused = false
        /// The connection has ended while receiving was paused, or sending blocked: unread bytes are received at once.
        var hasEnded = false
        /// Why sending waits; nil if it does not.
        var block: Block?
        var window = PeerWindow()
        /// When the port's time has to be passed on; and until when the transmit thread sleeps (nil: for ever).
        var deadline: MonotonicTime?
        var sleepsUntil: MonotonicTime??
        var isStopped = false
        /// The lookups under way, each with the number of the command that is answered.
        var lookups: [Endpoint: Int] = [:]

        enum Block {
            /// The socket's buffer is full: poll(2) tells when it is not.
            case buffer
            /// The peer's window is full: only looking tells when it is not.
            case window
        }

        /// No thread is at work on the socket: it may be closed.
        var isIdle: Bool { !isReceiving && !isSending }

        /// - Parameter connection: the number of the connection that the bytes are for.
        /// - Returns: the socket, and how many of `count` bytes it may be given.
        mutating func beginSending(_ connection: Int, _ count: Int) -> (socket: Int32, allowance: Int)? {
            guard let socket, block == nil, !isClosing, connection == number else { return nil }
            isSending = true
            return (socket, window.allowance(for: count) { SocketOptions.window(socket) })
        }
    }

    let port: Port
    let state: Monitor<State>
    let wake: EventDescriptor
    /// Seconds after which a peer that acknowledges nothing counts as dead.
    let deadAfter: Int32

    /// - Parameter deadAfter: seconds without an acknowledgement after which the peer counts as dead.
    /// - Throws: if the kernel gives no event descriptor.
    package init(port: Port, deadAfter: Int32) throws(Errno) {
        state = Monitor(State())
        self.port = port
        self.deadAfter = deadAfter
        wake = try EventDescriptor()
    }

    /// Starts both threads.
    package func start() throws(Errno) -> [Thread] {
        [
            try Thread("transmit") { self.transmitLoop() },
            try Thread("receive") { self.receiveLoop() },
        ]
    }

    /// Ends the connection and both threads, after what is unsent.
    package func stop() {
        state.withLock { $0.isStopped = true }
        state.wakeAll()
        wake.signal()
    }
}

// What the port asks for.
extension RemotePort {
    package func carryOut(_ command: RemoteCommand) {
        state.withLock { $0.command = command }
        wake.signal()
    }

    package func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int {
        // Without a lock: who sends keeps the socket open by being part of the connection (see `endConnection`).
        guard let (socket, allowance) = state.withLock({ $0.beginSending(connection, bytes.count) }) else { return 0 }
        let sent =
            allowance == 0
            ? 0
            : bytes.withUnsafeBytes { raw in
                Glibc.send(socket, raw.baseAddress, allowance, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
        let isBlocked = sent < bytes.count
        let isAwaited = state.withLock { state -> Bool in
            state.isSending = false
            state.window.handed(max(sent, 0))
            // A broken connection is the receive thread's to report; a full socket is waited for.
            if isBlocked { state.block = sent == allowance ? .window : .buffer }
            return state.isClosing
        }
        if isAwaited { state.wakeAll() }
        if isBlocked { wake.signal() }
        return max(sent, 0)
    }

    package var unacknowledged: Int {
        // Under the lock: the socket is closed only once it is no longer there.
        state.withLock { $0.socket.map(SocketOptions.unacknowledged) ?? 0 }
    }

    package var lifeSigns: LifeSigns { state.withLock { $0.socket.map(SocketOptions.lifeSigns) ?? .quiet } }

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
