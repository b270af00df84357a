import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// tcsetattr(3) and what of it goes to the remote port (tty_ioctl.c set_termios, uart_set_termios).
extension VirtualTTY {
    /// TCSETS: at once, behind what has been written.
    mutating func setTermios(_ id: RequestID, _ file: FileID, _ argument: borrowing Span<UInt8>) {
        guard let new = discipline.termios.overlaid(with: argument) else { return fail(id, .invalidArgument) }
        apply(new, id, file)
    }

    /// TCSETSW and TCSETSF: once all output is out.
    mutating func drainAndSetTermios(
        _ id: RequestID, _ file: FileID, _ argument: borrowing Span<UInt8>, flushInput: Bool = false
    ) {
        guard let new = discipline.termios.overlaid(with: argument) else { return fail(id, .invalidArgument) }
        drain(id, file, .setTermios(new, flushInput: flushInput))
    }

    /// Puts settings in force here and sends what changed; the request is answered once the server has answered.
    mutating func apply(_ wanted: Termios, _ id: RequestID, _ file: FileID) {
        let old = discipline.termios
        let new = termiosLock?.applied(to: wanted, keeping: old) ?? wanted
        apply(new, insteadOf: old, id, file)
    }

    /// TIOCSSOFTCAR: CLOCAL, locked or not (tty_change_softcar).
    mutating func setSoftCarrier(_ id: RequestID, _ file: FileID, _ on: Bool) {
        let old = discipline.termios
        var new = old
        if on { new.cflag.insert(.CLOCAL) } else { new.cflag.remove(.CLOCAL) }
        apply(new, insteadOf: old, id, file)
    }

    private mutating func apply(_ new: Termios, insteadOf old: Termios, _ id: RequestID, _ file: FileID) {
        putInForce(new)
        needsReview = true
        if !new.isB0 { lastBaud = new.ospeed }
        let tickets = sendSettings()
        if new.isB0 && !old.isB0 { setOutputs(outputs.subtracting([.dtr, .rts])) }
        if !new.isB0 && old.isB0 { setOutputs(outputs.union([.dtr, .rts])) }
        // VMIN and VTIME count for pollers at once; reads go on with theirs, and with what is input now.
        stage()
        serveWrites()
        serveReads()
        notifyPollers()
        answerOnceSettled(id, file, tickets)
    }

    /// Puts settings in force at this end: input may become lines, or cease to be, and stopped output go on.
    private mutating func putInForce(_ new: Termios) {
        var output = makeOutput()
        discipline.setTermios(new, to: &output)
        backlog.move(to: &discipline, &output)
        put(&output)
    }

    /// Sends every setting that differs from what the server was last told.
    /// - Returns: the requests whose answers are worth waiting for.
    mutating func sendSettings() -> Set<ComPortClient.Ticket> {
        guard takesCommands else { return [] }
        return sendCommands(changes(from: told, to: lineSettings) + lineStateMaskChange())
    }

    private mutating func sendCommands(_ commands: [ComPortCommand]) -> Set<ComPortClient.Ticket> {
        told = lineSettings
        toldLineStateMask = wantedLineStateMask
        var awaited: Set<ComPortClient.Ticket> = []
        for command in commands {
            let isAwaited = command.answerKind.map { Self.awaited.contains($0) && client.isAnswerExpected($0) } ?? false
            let ticket = send(command)
            if isAwaited { awaited.insert(ticket) }
        }
        return awaited
    }

    /// Settings whose answer tcsetattr waits for.
    static let awaited: AnswerKinds = .settings

    /// The commands that bring a server from `old` settings, nil for unknown ones, to `new`. The rate comes last: its
    /// answer then stands for all. A common flow control is taken to set the inbound one too, as RFC 2217 has it.
    func changes(from old: LineSettings?, to new: LineSettings) -> [ComPortCommand] {
        var commands: [ComPortCommand] = []
        var inbound = old?.inboundFlow
        if old?.flow != new.flow || (new.flow == .hardware && inbound != .hardware) {
            commands.append(.setControl(.flow(new.flow)))
            inbound = new.flow
        }
        if inbound != new.inboundFlow { commands.append(.setControl(.inboundFlow(new.inboundFlow))) }
        if old?.dataBits != new.dataBits { commands.append(.setDataSize(new.dataBits.rawValue)) }
        if old?.parity != new.parity { commands.append(.setParity(new.parity.rawValue)) }
        if old?.stopBits != new.stopBits { commands.append(.setStopSize(new.stopBits.rawValue)) }
        if old?.baud != new.baud { commands.append(.setBaudRate(new.baud)) }
        return commands
    }

    /// Line state is asked for only where termios does something with it, and only of that: a server that reports a bad
    /// byte may keep it. A break that nobody asks about is a NUL among the data, as termios has it.
    var wantedLineStateMask: LineState {
        let iflag = discipline.termios.iflag
        var mask: LineState = []
        if iflag.contains(.INPCK) { mask.formUnion([.parity, .framing, .overrun]) }
        if iflag.intersection([.IGNBRK, .BRKINT, .PARMRK]) != [] { mask.insert(.breakDetected) }
        return mask
    }

    private func lineStateMaskChange() -> [ComPortCommand] {
        wantedLineStateMask == toldLineStateMask ? [] : [.setLineStateMask(wantedLineStateMask)]
    }

    /// Answers an ioctl when none of these requests is open any more, a second from now at the latest.
    mutating func answerOnceSettled(_ id: RequestID, _ file: FileID, _ tickets: Set<ComPortClient.Ticket>) {
        guard configuration.awaitsSettings, !tickets.isEmpty else { return answerIoctl(id) }
        settings.append(
            ParkedSetting(
                id: id, file: file, kind: .termios, tickets: tickets, deadline: now + ComPortClient.answerWithin))
    }

    /// What the server says it uses is what termios shows.
    mutating func adopt(_ command: ComPortCommand) {
        guard let kind = command.answerKind, !client.isOutstanding(kind), !queue.holds(kind) else { return }
        var termios = discipline.termios
        switch command {
        case .setBaudRate(let baud) where baud > 0:
            if baud != lineSettings.baud && !termios.isB0 {
                termios.adopt(baud: baud)
                lastBaud = termios.ospeed
            }
        case .setDataSize(let size):
            guard let dataBits = DataBits(rawValue: size) else { return }
            if dataBits != lineSettings.dataBits { termios.adopt(dataBits: dataBits) }
        case .setParity(let value):
            guard let parity = Parity(rawValue: value) else { return }
            if parity != lineSettings.parity { termios.adopt(parity: parity) }
        case .setStopSize(let value):
            guard let stopBits = StopBits(rawValue: value) else { return }
            if stopBits != lineSettings.stopBits { termios.adopt(stopBits: stopBits) }
        case .setControl(let value):
            // A flow control the server has not got; XON/XOFF can be done at this end.
            guard value.subject == .flow, let flow = FlowControl(rawValue: value.rawValue) else { return }
            termios.adopt(flow: flow)
        default:
            return
        }
        if termios != discipline.termios {
            log(.info, "the remote port uses \(command), not what was asked for")
            putInForce(termios)
            needsReview = true
            // Asked for once is enough: what holds now is what was agreed on.
            if told != nil { told = lineSettings }
        }
    }
}
