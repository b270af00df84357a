import SerialLine

/// The part of one port that its threads share: the state machine, and which thread is sending. It has no lock and
/// does no I/O: `Port` holds the lock around it, and a simulator can carry out its handouts in any order.
///
/// A thread passes an event to the state machine, takes a `Handout`, and carries it out after it has released the
/// lock. Bytes for the socket keep their order because only one thread sends at a time; the other threads leave their
/// bytes for it.
package struct PortEngine: Sendable {
    package var tty: VirtualTTY
    /// A thread is sending, and will also send the bytes that are added meanwhile.
    private var isSending = false
    /// The connection whose socket is full; `resumeSending` reports that it has room again.
    private var blocked: Int?
    /// The number of calls of `resumeSending`, which may come before the sender has reported that it is blocked.
    private var resumes = 0
    /// The receive thread sleeps until more may be received.
    package var receiverSleeps = false
    /// The deadline that was last handed out.
    private var scheduled: MonotonicTime?

    package init(_ tty: VirtualTTY) { self.tty = tty }

    /// The actions that one thread has to carry out. Its memory is reused.
    package struct Handout: Sendable {
        package var effects = Effects()
        /// Bytes for the socket; empty for none.
        package fileprivate(set) var unsent: [UInt8] = []
        /// The number of the connection that `unsent` is for.
        package fileprivate(set) var connection = 0
        /// The engine's `resumes` when `unsent` was taken.
        fileprivate var resumes = 0
        package fileprivate(set) var hasEffects = false
        package fileprivate(set) var hasUnsent = false
        package fileprivate(set) var wakesReceiver = false
        /// A command that the thread passes on before it releases the lock: commands and deadlines must keep their
        /// order.
        package fileprivate(set) var command: RemoteCommand?
        package fileprivate(set) var deadlineChanged = false
        package fileprivate(set) var deadline: MonotonicTime?

        package init() {}
    }

    /// After an event: moves the pending actions to the calling thread.
    package mutating func collectWork(_ out: inout Handout) {
        let isUnchanged = tty.takeUnchanged()
        if !isUnchanged { tty.progress() }
        out.hasEffects = !tty.effects.isEmpty
        if out.hasEffects { swap(&out.effects, &tty.effects) }
        out.command = nil
        guard !isUnchanged else {
            // The last handout contained everything else.
            out.hasUnsent = false
            out.wakesReceiver = false
            out.deadlineChanged = false
            return
        }
        out.hasUnsent = !isSending && blocked != tty.connection && tty.takeUnsent(into: &out.unsent)
        if out.hasUnsent {
            isSending = true
            out.resumes = resumes
            out.connection = tty.connection
        }
        out.wakesReceiver = receiverSleeps && tty.wantsToReceive(isPausing: true)
        out.command = tty.takeCommand()
        let deadline = tty.nextDeadline()
        out.deadlineChanged = deadline != scheduled
        out.deadline = deadline
        scheduled = deadline
    }

    /// The socket has taken `count` of the bytes handed out.
    package mutating func sent(_ count: Int, _ out: inout Handout) {
        if count < out.unsent.count && out.resumes == resumes { blocked = out.connection }
        isSending = false
        tty.returnUnsent(&out.unsent, sent: count)
    }

    /// The socket has room again.
    package mutating func resumeSending() {
        blocked = nil
        resumes += 1
    }
}
