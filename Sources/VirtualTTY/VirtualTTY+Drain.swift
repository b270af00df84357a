import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Waiting until output is out, and what waits for it: tcdrain, TCSETSW, breaks; flow and flush
// (tty_ioctl.c tty_wait_until_sent, tty_perform_flush, n_tty_ioctl_helper).
extension VirtualTTY {
    /// How long a barrier's answer is waited for once the line should be free.
    static let barrierPatience: UInt64 = .seconds(10)
    /// How often the socket is asked whether the peer has taken everything, where no barrier is known.
    static let socketPoll: UInt64 = .milliseconds(5)

    /// Does something once everything written so far is on the line.
    mutating func drain(_ id: RequestID, _ file: FileID, _ then: ParkedDrain.Then) {
        var drain = ParkedDrain(id: id, file: file, then: then, target: acceptedBytes)
        drain.barrier = sendBarrier()
        drains.append(drain)
        progressDrains()
    }

    /// Asks the server something harmless behind all data, where any was written since the last time, and where it is
    /// known to answer.
    mutating func sendBarrier() -> ComPortClient.Ticket? {
        guard acceptedBytes != drainedBytes, isLinkUp else { return nil }
        return client.barrier(mask: Self.modemStateMask).map { send($0) }
    }

    /// A server has a buffer; what it has taken beyond that must be on the line. If the line's rate does not allow for
    /// it, the line is none: a pseudo-terminal, a program.
    static let largestServerBuffer: UInt64 = 65536

    /// The server has answered a request behind all data: it has taken everything.
    mutating func noteBarrier(_ ticket: ComPortClient.Ticket) {
        let isBarrier =
            closing?.barrier == ticket
            || drains.contains { $0.barrier == ticket && $0.target == acceptedBytes }
        guard isBarrier else { return }
        reckonLineTime()
        guard lineFreeAt.since(now) > Self.largestServerBuffer &* lineSettings.frameNanoseconds else { return }
        isLineUnpaced = true
        lineFreeAt = now
    }

    /// Goes on with the drains whose output is out.
    mutating func progressDrains() {
        // What is done next may itself wait or drain: one at a time, from the front.
        guard !drains.isEmpty else { return }
        let isLineFree = isLineFree
        while let index = drains.firstIndex(where: { isDrained($0, isLineFree) }) {
            let drain = drains.remove(at: index)
            drainedBytes = max(drainedBytes, drain.target)
            finish(drain)
        }
    }

    private func isDrained(_ drain: ParkedDrain, _ isLineFree: Bool) -> Bool {
        if timedBreak != nil { return false }
        if drain.target <= drainedBytes { return true }
        guard isLinkUp, untransmitted == 0, writes.isEmpty, isLineFree else { return false }
        return drain.barrier.map { !unresolved.contains($0) } ?? (unacknowledged() == 0)
    }

    private mutating func finish(_ drain: ParkedDrain) {
        switch drain.then {
        case .answer: answerIoctl(drain.id)
        case .setTermios(let termios, let flushInput):
            if flushInput { flushReceived() }
            apply(termios, drain.id, drain.file)
        case .breakOn:
            setBreak(true)
            answerIoctl(drain.id)
        case .timedBreak(let nanoseconds):
            setBreak(true)
            timedBreak = TimedBreak(id: drain.id, file: drain.file, until: now + nanoseconds)
        case .setDiscipline(let number, let asNetworkAdministrator):
            setDiscipline(drain.id, drain.file, number, asNetworkAdministrator: asNetworkAdministrator)
        }
    }

    /// Somebody waits for the peer's socket to acknowledge everything, which nothing but asking tells.
    var awaitsAcknowledgement: Bool {
        guard isLinkUp, untransmitted == 0 else { return false }
        if let closing, closing.barrier == nil, closing.reopenAt == nil, acceptedBytes != drainedBytes { return true }
        return drains.contains { $0.barrier == nil && $0.target > drainedBytes }
    }

    /// Begins or ends a break, behind what has been written.
    mutating func setBreak(_ on: Bool) {
        isBreaking = on
        if takesCommands { send(.setControl(on ? .breakOn : .breakOff)) }
    }

    mutating func endTimedBreak() {
        // While data is still held: the break ends before what has been written meanwhile.
        setBreak(false)
        timedBreak = nil
        stage()
    }

    /// TIOCCBRK: at once.
    mutating func breakOff(_ id: RequestID) {
        setBreak(false)
        answerIoctl(id)
    }

    /// TCXONC.
    mutating func flowAction(_ id: RequestID, _ action: UInt32) {
        switch action {
        case 0: discipline.suspendOutput()
        case 1:
            discipline.resumeOutput()
            stage()
            serveWrites()
            notifyPollers()
        case 2: sendFlowCharacter(.VSTOP)
        case 3: sendFlowCharacter(.VSTART)
        default: return fail(id, .invalidArgument)
        }
        answerIoctl(id)
    }

    /// Sends VSTOP or VSTART ahead of what is queued; a disabled one (0) sends nothing.
    mutating func sendFlowCharacter(_ character: ControlCharacter) {
        let byte = discipline.termios[character]
        guard byte != 0, isLinkUp else { return }
        wire.appendData([byte].span)
    }

    /// TCFLSH.
    mutating func flush(_ id: RequestID, _ which: UInt32) {
        guard which <= 2 else { return fail(id, .invalidArgument) }
        if which != 1 { flushReceived() }
        if which != 0 { flushTransmit() }
        answerIoctl(id)
        notifyPollers()
    }

    /// Drops received bytes, those on the way too where the server is known to answer a purge: none sent before the
    /// purge can come after its answer.
    mutating func flushReceived() {
        flushInput()
        guard isLinkUp else { return }
        let isAnswered = client.answered.contains(.purge)
        let ticket = sendAtOnce(.purgeData(PurgeBuffers.receive.rawValue))
        if isAnswered { purge = PendingPurge(ticket: ticket, deadline: now + ComPortClient.answerWithin) }
    }

    private mutating func flushTransmit() {
        dropTransmit()
        progressDrains()
        serveWrites()
    }

    /// Drops what is queued for the line, here and at the far end.
    mutating func dropTransmit() {
        queue.flushData()
        wire.flushData()
        untimedBytes = 0
        lineFreeAt = now
        drainedBytes = acceptedBytes
        if isLinkUp { sendAtOnce(.purgeData(PurgeBuffers.transmit.rawValue)) }
    }

    /// Sends a command ahead of what is queued.
    @discardableResult
    private mutating func sendAtOnce(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = makeTicket()
        encode(command, ticket)
        logTrace()
        return ticket
    }
}
