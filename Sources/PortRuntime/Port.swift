import Platform
import SerialLine
import VirtualTTY

/// What carries a port's answers to the kernel. Called under the port's lock; must not block.
package protocol KernelSide: AnyObject, Sendable {
    /// Answers a request; `bytes` are the port's effects' bytes, in which an answer's range lies.
    func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>)
    /// Lets a file's pollers ask again.
    func notifyPoll(_ file: FileID)
}

/// What carries a port's bytes to the remote port. Called under the port's lock; must not block.
package protocol RemoteSide: AnyObject, Sendable {
    func connect()
    func disconnect(graceful: Bool)
    /// Sends what the socket takes now.
    /// - Returns: bytes sent; where it took none, the remote side sees to it that sending is tried again.
    func send(_ bytes: borrowing Span<UInt8>) -> Int
    /// `Port.passTime` is to be called then; nil for no time.
    func schedule(_ deadline: MonotonicTime?)
}

/// One port at work: the state machine behind one lock, between the kernel's side and the remote side.
///
/// Concurrency model: the CUSE thread, the receive thread and the transmit thread call `withTTY`; whoever does carries
/// out what comes of it, still under the lock, so that answers and bytes keep their order. Lock order: the port's lock,
/// then the remote side's, then libfuse's.
package final class Port: Sendable {
    private struct State {
        var tty: VirtualTTY
        var kernel: (any KernelSide)?
        var remote: (any RemoteSide)?
        /// The receive thread sleeps until more may be received.
        var receiverSleeps = false
    }

    private let state: Monitor<State>
    private let log: @Sendable (LogLevel, String) -> Void

    /// - Parameter log: gets the port's log lines, under its lock.
    package init(configuration: PortConfiguration, log: @escaping @Sendable (LogLevel, String) -> Void) {
        state = Monitor(State(tty: VirtualTTY(configuration: configuration)))
        self.log = log
    }

    /// Connects the two sides; to be done before any request or connection.
    package func attach(kernel: any KernelSide, remote: any RemoteSide) {
        state.withLock {
            $0.kernel = kernel
            $0.remote = remote
        }
    }

    /// Tells the port something, and carries out what follows from it.
    package func withTTY<Result>(_ body: (inout VirtualTTY) -> Result) -> Result {
        state.withLock { state in
            let result = body(&state.tty)
            carryOut(&state)
            return result
        }
    }

    /// Looks at the port; nothing may follow from it.
    package func look<Result>(_ body: (borrowing VirtualTTY) -> Result) -> Result {
        state.withLock { body($0.tty) }
    }

    /// Sleeps while the programs are too far behind for more to be received, and `isWanted` is true.
    package func waitToReceive(while isWanted: () -> Bool) {
        state.wait { state in
            let isReady = state.tty.wantsToReceive || !isWanted()
            state.receiverSleeps = !isReady
            return isReady
        }
    }

    /// Wakes a receive thread that sleeps in `waitToReceive`, to look at `isWanted` again.
    package func wakeReceiver() { state.wakeAll() }

    private func carryOut(_ state: inout State) {
        repeat {
            perform(&state)
            sendUnsent(&state)
        } while !state.tty.effects.isEmpty
        state.remote?.schedule(state.tty.nextDeadline)
        if state.receiverSleeps && state.tty.wantsToReceive { self.state.wakeAll() }
    }

    private func perform(_ state: inout State) {
        guard !state.tty.effects.isEmpty else { return }
        for effect in state.tty.effects.list {
            switch effect {
            case .answer(let id, let answer):
                state.kernel?.answer(id, answer, bytes: state.tty.effects.bytes.span)
            case .notifyPoll(let file): state.kernel?.notifyPoll(file)
            case .connect: state.remote?.connect()
            case .disconnect(let graceful): state.remote?.disconnect(graceful: graceful)
            case .log(let level, let text): log(level, text)
            }
        }
        state.tty.effects.removeAll()
    }

    private func sendUnsent(_ state: inout State) {
        guard let remote = state.remote else { return }
        while let sent = state.tty.withUnsent({ remote.send($0) }), sent > 0 {
            state.tty.sent(sent, now: .now)
        }
    }
}
