import Platform
import SerialLine
import VirtualTTY

/// What carries a port's answers to the kernel. Called by any of the port's threads, without its lock.
package protocol KernelSide: AnyObject, Sendable {
    /// Answers a request; `bytes` are the effects' bytes, in which an answer's range lies.
    func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>)
    /// Lets a file's pollers ask again.
    func notifyPoll(_ file: FileID)
}

/// What carries a port's bytes to the remote port. Called by any of the port's threads; must not block.
package protocol RemoteSide: AnyObject, Sendable {
    func connect()
    func disconnect(graceful: Bool)
    /// Sends what the socket takes now; one caller at a time.
    /// - Returns: bytes sent; where that is not all, the remote side calls `resumeSending` once there is room.
    func send(_ bytes: borrowing Span<UInt8>) -> Int
    /// The port's `advance` is to be called then; nil for no time. Called under the port's lock.
    func schedule(_ deadline: MonotonicTime?)
}

/// One port at work: the state machine behind one lock, between the kernel's side and the remote side.
///
/// Concurrency model: the CUSE thread, the receive thread and the transmit thread call `withTTY`; whoever does carries
/// out what comes of it, after the lock is released: answering wakes a program that may run at once and ask the next
/// thing, which must not find the lock held. Bytes for the socket keep their order because one thread at a time sends;
/// the others leave theirs with it. Lock order: the port's lock, then the remote side's.
package final class Port: Sendable {
    private struct State {
        var tty: VirtualTTY
        var kernel: (any KernelSide)?
        var remote: (any RemoteSide)?
        /// Somebody is sending, and will send what is added meanwhile.
        var isSending = false
        /// The socket takes no more; `resumeSending` tells when it does again.
        var isBlocked = false
        /// The receive thread sleeps until more may be received.
        var receiverSleeps = false
        /// Memory of effects carried out, to be used again.
        var spareEffects: [Effects] = []
        var spareBuffer: [UInt8] = []
    }

    private let state: Monitor<State>
    private let log: @Sendable (LogLevel, String) -> Void

    /// - Parameter log: gets the port's log lines.
    package init(configuration: PortConfiguration, log: @escaping @Sendable (LogLevel, String) -> Void) {
        let clock = TickClock()
        state = Monitor(State(tty: VirtualTTY(configuration: configuration, clock: { clock.now })))
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
        var work = Work()
        let result = state.withLock { state in
            let result = body(&state.tty)
            handOut(&work, &state)
            return result
        }
        carryOut(&work)
        return result
    }

    /// The socket takes bytes again, or is another one: what is unsent goes out.
    package func resumeSending() {
        state.withLock { $0.isBlocked = false }
        withTTY { _ in }
    }

    /// Looks at the port; nothing may follow from it.
    package func look<Result>(_ body: (borrowing VirtualTTY) -> Result) -> Result {
        state.withLock { body($0.tty) }
    }

    /// Sleeps while the programs are too far behind for more to be received, and `isWanted` is true.
    package func waitToReceive(while isWanted: () -> Bool) {
        state.wait { state in
            let isReady = state.tty.wantsToReceive(isPausing: true) || !isWanted()
            state.receiverSleeps = !isReady
            return isReady
        }
    }

    /// Wakes a receive thread that sleeps in `waitToReceive`, to look at `isWanted` again.
    package func wakeReceiver() { state.wakeAll() }

    /// What one thread has taken on to do.
    private struct Work {
        var effects: Effects?
        var unsent: [UInt8]?
        var kernel: (any KernelSide)?
        var remote: (any RemoteSide)?
        var wakesReceiver = false

        var isEmpty: Bool { effects == nil && unsent == nil && !wakesReceiver }
    }

    /// Moves what is to be done from the port to the calling thread. Under the lock.
    private func handOut(_ work: inout Work, _ state: inout State) {
        work.kernel = state.kernel
        work.remote = state.remote
        if !state.tty.effects.isEmpty {
            var effects = state.spareEffects.popLast() ?? Effects()
            swap(&effects, &state.tty.effects)
            work.effects = effects
        }
        if !state.isSending && !state.isBlocked && state.tty.hasUnsent {
            var buffer: [UInt8] = []
            swap(&buffer, &state.spareBuffer)
            if state.tty.takeUnsent(into: &buffer) {
                state.isSending = true
                work.unsent = buffer
            } else {
                state.spareBuffer = buffer
            }
        }
        work.wakesReceiver = state.receiverSleeps && state.tty.wantsToReceive(isPausing: true)
        state.remote?.schedule(state.tty.nextDeadline())
    }

    /// Does it, and what follows from that, until nothing is left.
    private func carryOut(_ work: inout Work) {
        while !work.isEmpty {
            var sent = 0
            if let unsent = work.unsent { sent = work.remote?.send(unsent.span) ?? 0 }
            if let effects = work.effects { perform(effects, work) }
            if work.wakesReceiver { state.wakeAll() }
            state.withLock { state in
                giveBack(&work, sent, &state)
                handOut(&work, &state)
            }
        }
    }

    /// Returns what was taken out. Under the lock.
    private func giveBack(_ work: inout Work, _ sent: Int, _ state: inout State) {
        if var effects = work.effects.take() {
            effects.removeAll()
            if state.spareEffects.count < 4 { state.spareEffects.append(effects) }
        }
        if var unsent = work.unsent.take() {
            state.isBlocked = sent < unsent.count
            state.isSending = false
            state.tty.giveBack(&unsent, sent: sent)
            swap(&unsent, &state.spareBuffer)
        }
    }

    private func perform(_ effects: borrowing Effects, _ work: borrowing Work) {
        for effect in effects.list {
            switch effect {
            case .answer(let id, let answer): work.kernel?.answer(id, answer, bytes: effects.bytes.span)
            case .notifyPoll(let file): work.kernel?.notifyPoll(file)
            case .connect: work.remote?.connect()
            case .disconnect(let graceful): work.remote?.disconnect(graceful: graceful)
            case .log(let level, let text): log(level, text)
            }
        }
    }
}
