import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Waiting until output is out, and what waits for it: tcdrain, TCSETSW, breaks (tty_ioctl.c tty_wait_until_sent).
extension VirtualTTY {
    /// How often the socket is asked whether the peer has taken everything, if no barrier is known.
    private static let socketPoll: UInt64 = .milliseconds(5)

    /// TCSETSW and TCSETSF: once all output is out.
    mutating func drainAndSetTermios(
        _ reply: consuming Reply, _ file: FileID, _ argument: borrowing Span<UInt8>, flushInput: Bool = false
    ) {
        guard let new = discipline.termios.overlaid(with: argument) else { return fail(reply, .invalidArgument) }
        drain(reply, file, .setTermios(new, flushInput: flushInput))
    }

    /// Does something once everything written so far is on the line.
    mutating func drain(_ reply: consuming Reply, _ file: FileID, _ then: ParkedDrain.Then) {
        requests.park(reply, file, ParkedDrain(then: then, target: transmission.accepted, barrier: sendBarrier()))
    }

    /// TIOCCBRK: at once.
    mutating func breakOff(_ reply: consuming Reply) {
        setBreak(false)
        answerIoctl(reply)
    }

    /// Goes on with the drains whose output is out: one at a time, because what follows may itself wait.
    /// - Returns: was one finished?
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

    /// Has the line, by its rate, sent all that has gone to the socket?
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
            // The command first, which a break that is parked would hold back.
            setBreak(true)
            stage()
            requests.park(reply, file, TimedBreak(until: now + nanoseconds))
        case .setDiscipline(let number, let asNetworkAdministrator):
            setDiscipline(reply, file, number, asNetworkAdministrator: asNetworkAdministrator)
        }
    }

    /// When drains have to be looked at again; nil if an answer will tell.
    mutating func drainDeadline() -> MonotonicTime? {
        guard requests.has(.drain) && !requests.has(.timedBreak) || closing != nil && closing?.reopenAt == nil,
            transmission.untransmitted == 0
        else { return nil }
        // A held line says when it goes on.
        guard let lineFreeAt else { return nil }
        if lineFreeAt > now { return lineFreeAt }
        return awaitsAcknowledgement ? now + Self.socketPoll : nil
    }

    /// Something waits until the peer's socket has acknowledged everything, which nothing but asking tells.
    private var awaitsAcknowledgement: Bool {
        guard remote.isUp else { return false }
        if let closing, closing.barrier == nil, closing.reopenAt == nil, !transmission.isDrained { return true }
        return requests.all(ParkedDrain.self).contains {
            $0.request.barrier == nil && $0.request.target > transmission.drained
        }
    }
}
