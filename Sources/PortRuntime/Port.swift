import Platform
import SerialLine
import SystemPackage
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
    /// - Parameter connection: the number of the connection the bytes are for: on another one none of them goes.
    /// - Returns: bytes sent; where that is not all, the remote side calls `resumeSending` once there is room.
    func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int
    /// Bytes sent that the peer's kernel has not acknowledged. Asked for under the port's lock.
    var unacknowledged: Int { get }
    /// The port's `advance` is to be called then; nil for no time. Called under the port's lock.
    func schedule(_ deadline: MonotonicTime?)
}

/// What holds the pseudo-terminal on which one of the kernel's line disciplines sits. Called by any of the port's
/// threads, without its lock; must not block.
package protocol DisciplineSide: AnyObject, Sendable {
    /// Does this behind all asked for before; `disciplineAnswered` follows.
    func call(_ id: RequestID, _ call: DisciplineCall)
    /// There are bytes for the discipline, or there is room for its own.
    func feed()
    /// Gives the pseudo-terminal up; `disciplineWithdrawn` follows.
    func withdraw(discardingRest: Bool)
}

/// Who wants to know how the port fares. Called by any of the port's threads, without its lock; must not block.
package protocol PortObserver: AnyObject, Sendable {
    /// What people are told has changed.
    func portChanged()
    /// No program has the port open, and none will: the process is to end.
    func portRetired()
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
        /// Somebody is sending, and will send what is added meanwhile.
        var isSending = false
        /// The socket takes no more; `resumeSending` tells when it does again.
        var isBlocked = false
        /// Counts `resumeSending`, which may come before the sender has said that it is blocked.
        var resumes = 0
        /// The receive thread sleeps until more may be received.
        var receiverSleeps = false
        /// The deadline the remote side was last told.
        var scheduled: MonotonicTime?
    }

    /// One thread's memory for what it carries out, used again and again.
    package final class Scratch {
        fileprivate var effects = Effects()
        fileprivate var unsent: [UInt8] = []
        /// The port's `resumes` when `unsent` was taken, and the connection it is for.
        fileprivate var resumes = 0
        fileprivate var connection = 0

        package init() {}
    }

    private let state: Monitor<State>
    private let log: @Sendable (LogLevel, String) -> Void
    // Written once, by `attach`, before any thread but the first knows the port; only read afterwards.
    nonisolated(unsafe) private var kernel: (any KernelSide)?
    nonisolated(unsafe) private var discipline: (any DisciplineSide)?
    private let remoteHolder = RemoteHolder()
    nonisolated(unsafe) private var observer: (any PortObserver)?

    /// The remote side, for the state machine to ask as well: written once, like `kernel`.
    private final class RemoteHolder: Sendable {
        nonisolated(unsafe) var remote: (any RemoteSide)?
    }

    private var remote: (any RemoteSide)? { remoteHolder.remote }

    /// - Parameter log: gets the port's log lines.
    package init(configuration: PortConfiguration, log: @escaping @Sendable (LogLevel, String) -> Void) {
        let clock = TickClock()
        let holder = remoteHolder
        let tty = VirtualTTY(
            configuration: configuration, clock: { clock.now },
            unacknowledged: { holder.remote?.unacknowledged ?? 0 })
        state = Monitor(State(tty: tty))
        self.log = log
    }

    /// Connects the two sides; to be done once, before any request or connection.
    /// - Parameter discipline: nil where the kernel's line disciplines are not to be had.
    package func attach(
        kernel: any KernelSide, remote: any RemoteSide, discipline: (any DisciplineSide)? = nil,
        observer: (any PortObserver)? = nil
    ) {
        self.discipline = discipline
        self.kernel = kernel
        remoteHolder.remote = remote
        self.observer = observer
    }

    /// Tells the port something, and carries out what follows from it.
    /// - Parameter scratch: the calling thread's own; a thread that calls seldom needs none.
    package func withTTY<Result>(_ scratch: Scratch = Scratch(), _ body: (inout VirtualTTY) -> Result) -> Result {
        var work = Work()
        let result = state.withLock { state in
            let result = body(&state.tty)
            work = handOut(&state, scratch)
            return result
        }
        carryOut(&work, scratch)
        return result
    }

    /// The socket takes bytes again, or is another one: what is unsent goes out.
    package func resumeSending() {
        state.withLock {
            $0.isBlocked = false
            $0.resumes += 1
        }
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
    package func wakeReceiver() {
        // With the lock taken once in between, it has either not looked yet, or sleeps already.
        state.withLock { $0.receiverSleeps = false }
        state.wakeAll()
    }

    /// What the calling thread is to carry out of its scratch.
    private struct Work {
        var hasEffects = false
        var hasUnsent = false
        var wakesReceiver = false
    }

    /// Moves what is to be done from the port to the calling thread. Under the lock.
    private func handOut(_ state: inout State, _ scratch: Scratch) -> Work {
        var work = Work()
        state.tty.review()
        if !state.tty.effects.isEmpty {
            swap(&scratch.effects, &state.tty.effects)
            work.hasEffects = true
        }
        if !state.isSending && !state.isBlocked && state.tty.takeUnsent(into: &scratch.unsent) {
            state.isSending = true
            scratch.resumes = state.resumes
            scratch.connection = state.tty.connection
            work.hasUnsent = true
        }
        work.wakesReceiver = state.receiverSleeps && state.tty.wantsToReceive(isPausing: true)
        let deadline = state.tty.nextDeadline()
        if deadline != state.scheduled {
            state.scheduled = deadline
            remote?.schedule(deadline)
        }
        return work
    }

    /// Does it, and what follows from that, until nothing is left.
    private func carryOut(_ work: inout Work, _ scratch: Scratch) {
        while true {
            let sent = work.hasUnsent ? remote?.send(scratch.unsent.span, connection: scratch.connection) ?? 0 : 0
            if work.hasEffects {
                perform(scratch.effects)
                scratch.effects.removeAll()
            }
            if work.wakesReceiver { state.wakeAll() }
            guard work.hasUnsent else { return }
            work = state.withLock { state in
                state.isBlocked = sent < scratch.unsent.count && scratch.resumes == state.resumes
                state.isSending = false
                state.tty.giveBack(&scratch.unsent, sent: sent)
                return handOut(&state, scratch)
            }
        }
    }

    private func perform(_ effects: borrowing Effects) {
        for effect in effects.list {
            switch effect {
            case .answer(let id, let answer): kernel?.answer(id, answer, bytes: effects.bytes.span)
            case .notifyPoll(let file): kernel?.notifyPoll(file)
            case .connect: remote?.connect()
            case .disconnect(let graceful): remote?.disconnect(graceful: graceful)
            case .log(let level, let text): log(level, text)
            case .callDiscipline(let id, let call):
                guard let discipline else {
                    withTTY { $0.disciplineAnswered(id, .failed(.invalidArgument, reason: nil)) }
                    continue
                }
                discipline.call(id, call)
            case .feedDiscipline: discipline?.feed()
            case .withdrawDiscipline(let discardingRest):
                guard let discipline else {
                    withTTY { $0.disciplineWithdrawn() }
                    continue
                }
                discipline.withdraw(discardingRest: discardingRest)
            case .changed: observer?.portChanged()
            case .end: observer?.portRetired()
            }
        }
    }
}
