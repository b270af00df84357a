import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Waiting until output is sent, and the actions that wait for it: tcdrain, TCSETSW, breaks (tty_ioctl.c
// tty_wait_until_sent).
extension VirtualTTY {
    /// Interval at which the socket is asked whether the peer has acknowledged everything, if no barrier is known, in
    /// nanoseconds.
    private static let socketPoll: UInt64 = .milliseconds(5)

    /// TCSETSW and TCSETSF: once all output is sent.
    mutating func drainAndSetTermios(
        _ reply: consuming Reply, _ file: FileID, _ argument: borrowing Span<UInt8>, flushInput: Bool = false
    ) {
        guard let new = discipline.termios.overlaid(with: argument) else { return fail(reply, .invalidArgument) }
        drain(reply, file, .setTermios(new, flushInput: flushInput))
    }

    /// Carries out an action once everything already written has left the line.
    mutating func drain(_ reply: consuming Reply, _ file: FileID, _ then: ParkedDrain.Then) {
        requests.park(reply, file, ParkedDrain(then: then, target: transmission.accepted, barrier: sendBarrier()))
    }

    /// TIOCCBRK: at once.
    mutating func breakOff(_ reply: consuming Reply) {
        setBreak(false)
        answerIoctl(reply)
    }

    /// Continues the drains whose output is sent: one at a time, because the action of a drain may itself wait.
    /// - Returns: whether one was finished.
    mutating func progressDrains() -> Bool {
        guard requests.has(.drain), !requests.has(.timedBreak) else { return false }
        let isLineFree = isLineFree
        guard let done = requests.all(ParkedDrain.self).first(where: { isDrained($0.request, isLineFree) }) else {
            return false
        }
        transmission.markDrained(to: done.request.target)
        finish(requests.take(done.id), done.file, done.request.then)
        return true
    }

    /// Whether the line, at its rate, has sent all bytes written to the socket.
    var isLineFree: Bool {
        mutating get {
            lineFreeAt.map { $0 <= now } ?? false
        }
    }

    private func isDrained(_ drain: ParkedDrain, _ isLineFree: Bool) -> Bool {
        if drain.target <= transmission.drained { return true }
        guard remote.isUp, transmission.untransmitted == 0, !requests.has(.write), isLineFree else { return false }
        return drain.barrier.map { !remote.isOpen($0) } ?? (socket.unacknowledged() == 0)
    }

    private mutating func finish(_ reply: consuming Reply, _ file: FileID, _ then: ParkedDrain.Then) {
        switch then {
        case .answer: answerIoctl(reply)
        case .setTermios(let termios, let flushInput):
            if flushInput { flushReceived() }
            apply(termios, reply, file)
        case .breakOn:
            setBreak(true)
            answerIoctl(reply)
        case .timedBreak(let nanoseconds):
            // Send the command first: a parked break would hold it back.
            setBreak(true)
            stage()
            requests.park(reply, file, TimedBreak(until: now + nanoseconds))
        case .setDiscipline(let number, let asNetworkAdministrator):
            setDiscipline(reply, file, number, asNetworkAdministrator: asNetworkAdministrator)
        }
    }

    /// When drains must be checked again; nil if an answer triggers the check.
    mutating func drainDeadline() -> MonotonicTime? {
        guard requests.has(.drain) && !requests.has(.timedBreak) || closing != nil && closing?.reopenAt == nil,
            transmission.untransmitted == 0
        else { return nil }
        // If output is held, the end of the hold triggers the check.
        guard let lineFreeAt else { return nil }
        if lineFreeAt > now { return lineFreeAt }
        return awaitsAcknowledgement ? now + Self.socketPoll : nil
    }

    /// A request waits until the peer's kernel has acknowledged everything; only polling the socket shows that.
    private var awaitsAcknowledgement: Bool {
        guard remote.isUp else { return false }
        if let closing, closing.barrier == nil, closing.reopenAt == nil, !transmission.isDrained { return true }
        return requests.all(ParkedDrain.self).contains {
            $0.request.barrier == nil && $0.request.target > transmission.drained
        }
    }
}
