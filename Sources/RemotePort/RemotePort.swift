import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// The TCP connection of one port, and its two threads: the receive thread blocks in recv(2) and passes on the bytes;
/// the transmit thread carries out the port's commands, waits for room in a full socket, and keeps the deadlines. The
/// port (`RemoteLink`) decides which server is tried and when a connection ends.
///
/// Concurrency model: everything shared is in `state`, behind its own lock, which is taken after the port's. The
/// socket is opened and closed by the transmit thread alone, and closed only when no thread receives or sends on it.
package final class RemotePort: RemoteSide {
    struct State {
        /// The port's last command, until the transmit thread takes it.
        var command: RemoteCommand?
        /// The connected socket, and its number.
        var socket: Int32?
        var number = 0
        /// The receive thread is at work on the socket.
        var isReceiving = false
        /// A thread is using the socket to send.
        var isSending = false
        /// The connection is being ended; nothing more is sent or received.
        var isClosing = false
        /// The receive thread sleeps, because programs are far behind.
        var isPaused = false
        /// The connection has ended while receiving was paused, or sending blocked: unread bytes are received at
        /// once.
        var hasEnded = false
        /// The reason why sending waits; nil if it does not.
        var block: Block?
        var window = PeerWindow()
        /// The port's next deadline, and the moment until which the transmit thread sleeps (nil: no limit).
        var deadline: MonotonicTime?
        var sleepsUntil: MonotonicTime??
        var isStopped = false
        /// The lookups in progress, each with the number of the command that it answers.
        var lookups: [Endpoint: Int] = [:]

        enum Block {
            /// The socket's buffer is full: poll(2) reports when it has room.
            case buffer
            /// The peer's window is full: only a look shows when it opens.
            case window
        }

        /// No thread uses the socket, so it may be closed.
        var isIdle: Bool { !isReceiving && !isSending }

        /// - Parameter connection: the number of the connection that the bytes belong to.
        /// - Returns: the socket, and how many of `count` bytes may be passed to it.
        mutating func beginSending(_ connection: Int, _ count: Int) -> (socket: Int32, allowance: Int)? {
            guard let socket, block == nil, !isClosing, connection == number else { return nil }
            isSending = true
            return (socket, window.allowance(for: count) { SocketOptions.window(socket) })
        }
    }

    let port: Port
    let state: Monitor<State>
    let wake: EventDescriptor
    /// Seconds without any acknowledgement before the connection is considered dead.
    let deadAfter: Int32

    /// - Parameter deadAfter: seconds without any acknowledgement before the connection is considered dead.
    /// - Throws: if the kernel provides no event descriptor.
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

    /// Ends the connection and both threads, after the unsent bytes are sent.
    package func stop() {
        state.withLock { $0.isStopped = true }
        state.wakeAll()
        wake.signal()
    }
}

// Requests of the port.
extension RemotePort {
    package func carryOut(_ command: RemoteCommand) {
        state.withLock { $0.command = command }
        wake.signal()
    }

    package func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int {
        // Without the lock: a sender is part of the connection, which keeps the socket open (see `endConnection`).
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
            // The receive thread reports a broken connection; a full socket makes the sender wait.
            if isBlocked { state.block = sent == allowance ? .window : .buffer }
            return state.isClosing
        }
        if isAwaited { state.wakeAll() }
        if isBlocked { wake.signal() }
        return max(sent, 0)
    }

    package var unacknowledged: Int {
        // Under the lock: the socket is removed here before it is closed.
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
