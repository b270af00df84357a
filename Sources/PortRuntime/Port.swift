import Platform
import SerialLine
import SystemPackage
import VirtualTTY

/// Passes a port's answers to the kernel. Called by any of the port's threads, without the port's lock.
package protocol KernelSide: AnyObject, Sendable {
    /// Answers a request; the answer's range refers to `bytes`.
    func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>)
    /// Lets a file's pollers ask again.
    func notifyPoll(_ file: FileID)
}

/// Passes a port's bytes to the remote port. Called by any of the port's threads; must not block.
package protocol RemoteSide: AnyObject, Sendable {
    /// Carries out a command in another thread. A newer command replaces one that was not taken yet. Called under the
    /// port's lock.
    func carryOut(_ command: RemoteCommand)
    /// Sends the bytes that the socket takes now; one caller at a time.
    /// - Parameter connection: the number of the connection that the bytes belong to. If another connection is
    ///   current, nothing is sent.
    /// - Returns: bytes sent; if fewer than all, the remote side calls `resumeSending` once there is room.
    func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int
    /// Bytes the peer's kernel has not acknowledged. Asked for under the port's lock.
    var unacknowledged: Int { get }
    /// What the kernel knows of the peer. Asked for under the port's lock.
    var lifeSigns: LifeSigns { get }
    /// The moment at which the port's `advance` must be called; nil if there is no deadline. Called under the port's
    /// lock.
    func schedule(_ deadline: MonotonicTime?)
}

/// Owns the pseudo-terminal to which one of the kernel's line disciplines is attached. Called by any of the port's
/// threads, without the port's lock; must not block.
package protocol DisciplineSide: AnyObject, Sendable {
    /// Carries out a call, in order; `disciplineAnswered` follows.
    func call(_ id: RequestID, _ call: DisciplineCall)
    /// The discipline has bytes to receive, or room for its output.
    func feed()
    /// Closes the pseudo-terminal; `disciplineWithdrawn` follows.
    func withdraw(discardingRest: Bool)
}

/// Receives changes of the port's status. Called by any of the port's threads, without the port's lock; must not
/// block.
package protocol PortObserver: AnyObject, Sendable {
    /// The reported status has changed.
    func portChanged()
    /// The port has retired: no program has the port open, and the process must end.
    func portRetired()
}

/// One port at work: the engine behind one lock, between the kernel's side and the remote side.
///
/// Concurrency model: the CUSE thread, the receive thread and the transmit thread call `withTTY`. The calling thread
/// carries out the effects after it has released the lock: an answer wakes a program that may run at once and send
/// the next request, which must not find the lock held. Commands and deadlines for the remote side are passed on
/// under the lock, so that they keep their order. Lock order: the port's lock, then the remote side's.
package final class Port: Sendable {
    /// Reusable memory for the effects that one thread carries out.
    package final class Scratch {
        // Only one thread uses it, one part at a time, so the run-time check is redundant.
        @exclusivity(unchecked) fileprivate var handout = PortEngine.Handout()

        package init() {}
    }

    private let engine: Monitor<PortEngine>
    private let log: @Sendable (LogLevel, String) -> Void
    // Written once, by `attach`, before a second thread knows the port; only read afterwards.
    nonisolated(unsafe) private var kernel: (any KernelSide)?
    nonisolated(unsafe) private var discipline: (any DisciplineSide)?
    private let remoteHolder = RemoteHolder()
    nonisolated(unsafe) private var observer: (any PortObserver)?

    /// Gives the state machine access to the remote side: written once, like `kernel`.
    private final class RemoteHolder: Sendable {
        nonisolated(unsafe) var remote: (any RemoteSide)?
    }

    private var remote: (any RemoteSide)? { remoteHolder.remote }

    /// - Parameter log: receives the port's log lines.
    package init(configuration: PortConfiguration, log: @escaping @Sendable (LogLevel, String) -> Void) {
        let clock = TickClock()
        let holder = remoteHolder
        let tty = VirtualTTY(
            configuration: configuration, clock: { clock.now },
            socket: VirtualTTY.SocketQuestions(
                unacknowledged: { holder.remote?.unacknowledged ?? 0 },
                lifeSigns: { holder.remote?.lifeSigns ?? .quiet }))
        engine = Monitor(PortEngine(tty))
        self.log = log
    }

    /// Connects the two sides; done once, before any request or connection.
    /// - Parameter discipline: nil if the kernel's line disciplines cannot be lent the line.
    package func attach(
        kernel: any KernelSide, remote: any RemoteSide, discipline: (any DisciplineSide)? = nil,
        observer: (any PortObserver)? = nil
    ) {
        self.discipline = discipline
        self.kernel = kernel
        remoteHolder.remote = remote
        self.observer = observer
    }

    /// Changes the port, and carries out the effects.
    /// - Parameter scratch: the calling thread's own; a thread that calls seldom needs none.
    package func withTTY<Result>(_ scratch: Scratch = Scratch(), _ body: (inout VirtualTTY) -> Result) -> Result {
        let result = engine.withLock { engine in
            let result = body(&engine.tty)
            collectWork(&engine, scratch)
            return result
        }
        carryOut(scratch)
        return result
    }

    /// The socket has room again: sends the unsent bytes.
    package func resumeSending() {
        engine.withLock { $0.resumeSending() }
        withTTY { _ in }
    }

    /// Reads the port's state; must have no effects.
    package func look<Result>(_ body: (borrowing VirtualTTY) -> Result) -> Result {
        engine.withLock { body($0.tty) }
    }

    /// Waits while the programs are too far behind to receive more, and `isWanted` returns true.
    package func waitToReceive(while isWanted: () -> Bool) {
        engine.wait { engine in
            let isReady = engine.tty.wantsToReceive(isPausing: true) || !isWanted()
            engine.receiverSleeps = !isReady
            return isReady
        }
    }

    /// Wakes a receive thread that sleeps in `waitToReceive`, so that it calls `isWanted` again.
    package func wakeReceiver() {
        // After the lock was taken once, that thread has either not checked yet, or is asleep.
        engine.withLock { $0.receiverSleeps = false }
        engine.wakeAll()
    }

    /// Moves the pending effects to the calling thread. Called under the lock.
    private func collectWork(_ engine: inout PortEngine, _ scratch: Scratch) {
        engine.collectWork(&scratch.handout)
        if let command = scratch.handout.command { remote?.carryOut(command) }
        if scratch.handout.deadlineChanged { remote?.schedule(scratch.handout.deadline) }
    }

    /// Carries out the effects, and the effects that follow from them, until none is left.
    private func carryOut(_ scratch: Scratch) {
        while true {
            let handsUnsent = scratch.handout.hasUnsent
            let sent =
                handsUnsent ? remote?.send(scratch.handout.unsent.span, connection: scratch.handout.connection) ?? 0 : 0
            if scratch.handout.hasEffects {
                perform(scratch.handout.effects)
                scratch.handout.effects.removeAll()
            }
            if scratch.handout.wakesReceiver { engine.wakeAll() }
            guard handsUnsent else { return }
            engine.withLock { engine in
                engine.sent(sent, &scratch.handout)
                collectWork(&engine, scratch)
            }
        }
    }

    private func perform(_ effects: borrowing Effects) {
        for effect in effects.list {
            switch effect {
            case .answer(let id, let answer): kernel?.answer(id, answer, bytes: effects.bytes.span)
            case .notifyPoll(let file): kernel?.notifyPoll(file)
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
