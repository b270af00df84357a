import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// tcsetattr(3), and the settings of it that are sent to the remote port (tty_ioctl.c set_termios, uart_set_termios).
extension VirtualTTY {
    /// TCSETS: takes effect at once, behind the data already written.
    mutating func setTermios(_ reply: consuming Reply, _ file: FileID, _ argument: borrowing Span<UInt8>) {
        guard let new = discipline.termios.overlaid(with: argument) else { return fail(reply, .invalidArgument) }
        apply(new, reply, file)
    }

    /// Applies settings here and sends the changes; the request is answered once the server has answered.
    mutating func apply(_ wanted: Termios, _ reply: consuming Reply, _ file: FileID) {
        let old = discipline.termios
        let new = termiosLock?.applied(to: wanted, keeping: old) ?? wanted
        apply(new, insteadOf: old, reply, file)
    }

    /// TIOCSSOFTCAR: CLOCAL, locked or not (tty_change_softcar).
    mutating func setSoftCarrier(_ reply: consuming Reply, _ file: FileID, _ on: Bool) {
        let old = discipline.termios
        var new = old
        if on { new.cflag.insert(.CLOCAL) } else { new.cflag.remove(.CLOCAL) }
        apply(new, insteadOf: old, reply, file)
    }

    private mutating func apply(_ new: Termios, insteadOf old: Termios, _ reply: consuming Reply, _ file: FileID) {
        putInForce(new)
        if !new.isB0 { lastBaud = new.ospeed }
        let tickets = sendSettings()
        if new.isB0 && !old.isB0 { setOutputs([]) }
        if !new.isB0 && old.isB0 { setOutputs(OutputLines.all) }
        answerOnceSettled(reply, file, tickets)
    }

    /// Applies settings to the line discipline: input may become lines, or raw, and stopped output may continue.
    private mutating func putInForce(_ new: Termios) {
        var output = makeOutput()
        discipline.setTermios(new, to: &output)
        reception.backlog.move(to: &discipline, &output)
        put(&output)
    }

    /// Answers an ioctl once these requests are answered, or after a second.
    mutating func answerOnceSettled(
        _ reply: consuming Reply, _ file: FileID, _ tickets: Set<ComPortClient.Ticket>
    ) {
        guard configuration.awaitsSettings, !tickets.isEmpty else { return answerIoctl(reply) }
        let deadline = now + ComPortClient.answerWithin
        requests.park(reply, file, ParkedSetting(.termios, tickets: tickets, deadline: deadline))
    }

    /// termios adopts the value that the server reports.
    mutating func adopt(_ command: ComPortCommand) {
        guard let kind = command.answerKind, !remote.client.isOutstanding(kind), !transmission.queue.holds(kind) else {
            return
        }
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
            // The server lacks this flow control; XON/XOFF can be done at this end.
            guard value.subject == .flow, let flow = FlowControl(rawValue: value.rawValue) else { return }
            termios.adopt(flow: flow)
        default:
            return
        }
        if termios != discipline.termios {
            log(.info, "the server uses \(command) instead of the requested setting")
            putInForce(termios)
            // The agreed value replaces the requested one, so that it is not requested again.
            if remote.lastSentSettings != nil { remote.lastSentSettings = lineSettings }
        }
    }
}
