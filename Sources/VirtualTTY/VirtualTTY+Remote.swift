import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// The connection to the remote port: made at the first open, negotiated and set up in one round trip, made again when
// it is lost.
extension VirtualTTY {
    /// Every change of a modem line is wanted.
    static let modemStateMask = ModemState(rawValue: 255)
    /// Pauses between attempts to make a lost connection again: doubled from the first to the last.
    static let firstRetry: UInt64 = .milliseconds(100)
    static let lastRetry: UInt64 = .seconds(5)

    /// The program has started: connects at once where the connection is to be held always.
    package mutating func start() {
        beginEvent()
        reviewed.since = now
        if configuration.connect == .always { startConnecting() }
    }

    mutating func startConnecting() {
        link = .connecting
        effects.list.append(.connect)
    }

    /// The TCP connection stands: everything that is to be said goes out in one segment.
    /// - Parameter connection: its number: what is to be sent goes out on this one, or not at all.
    package mutating func connected(to peer: String, connection: Int = 0) {
        beginEvent()
        guard link == .connecting else { return }
        if opens.isEmpty && files.isEmpty && configuration.connect == .open { return disconnect(graceful: false) }
        log(.info, "connected to \(peer)")
        self.peer = peer
        self.connection = connection
        rs485.isRefused = false
        client = ComPortClient(traces: configuration.logLevel >= .trace)
        wire.removeAll()
        unresolved.removeAll()
        purge = nil
        remoteSuspended = false
        let isFirst = liveFiles == 0
        if isFirst { inputsShown = false }
        isBeforeOpening = isFirst
        // Files come back with the lines they had; a first open raises them once it is complete.
        if isFirst && configuration.lines == .raise && !opens.isEmpty && !discipline.termios.isB0 {
            outputs = [.dtr, .rts]
        }
        wire.appendCommands(client.output)
        client.output.removeAll()
        let required = sendOpening(isFirst: isFirst)
        link = .opening(required: required, deadline: now + configuration.connectTimeout)
        logTrace()
    }

    /// Masks, all settings, and the lines.
    /// - Returns: the requests that must be answered, or given up, before the port counts as open.
    private mutating func sendOpening(isFirst: Bool) -> Set<ComPortClient.Ticket> {
        var commands: [ComPortCommand] = [.setModemStateMask(Self.modemStateMask)]
        if wantedLineStateMask != [] { commands.append(.setLineStateMask(wantedLineStateMask)) }
        commands += changes(from: nil, to: lineSettings)
        // What was there before the first open is not this program's.
        if isFirst { commands.append(.purgeData(PurgeBuffers.receive.rawValue)) }
        if rs485.isToBeTold { commands.append(.setControl(rs485Command(rs485.settings.isEnabled))) }
        if isBreaking { commands.append(.setControl(.breakOn)) }
        if isFirst ? configuration.lines == .raise && !opens.isEmpty : commandsOutputs {
            commands.append(.setControl(outputs.contains(.dtr) ? .dtrOn : .dtrOff))
            commands.append(.setControl(outputs.contains(.rts) ? .rtsOn : .rtsOff))
        }
        told = lineSettings
        toldLineStateMask = wantedLineStateMask
        var required: Set<ComPortClient.Ticket> = []
        for command in commands {
            let ticket = makeTicket()
            encode(command, ticket)
            if let kind = command.answerKind, Self.awaited.contains(kind) { required.insert(ticket) }
            if command.answerKind == .vendor { rs485.requests[ticket] = rs485.settings }
        }
        return required
    }

    /// The lines are this program's to say: by its own policy, or because a program set them.
    private var commandsOutputs: Bool { configuration.lines == .raise || outputs != [] }

    /// No connection could be made.
    package mutating func connectFailed(_ error: Errno, _ reason: String) {
        beginEvent()
        guard link == .connecting else { return }
        attempts += 1
        fault(attempts == 1 ? .error : .debug, reason)
        failLink(error)
    }

    /// What a failed attempt leads to: another one where files are open or the connection is to be held, else the end.
    private mutating func failLink(_ error: Errno) {
        if isHeld || configuration.connect == .always {
            failOpens(error)
            retryLater()
        } else {
            link = .down
            attempts = 0
            failOpens(error)
        }
    }

    private mutating func retryLater() {
        let pause = min(Self.firstRetry << UInt64(min(max(attempts - 1, 0), 10)), Self.lastRetry)
        link = .lost(retryAt: now + pause)
    }

    /// Bytes from the remote port.
    package mutating func receive(_ bytes: borrowing Span<UInt8>) {
        beginEvent()
        switch link {
        case .opening, .up: break
        case .down, .connecting, .lost, .disconnecting: return
        }
        var offset = 0
        while let event = client.next(bytes, &offset, now: clock) {
            switch event {
            case .data(let range): receiveData(bytes, range)
            case .answered(let command, let ticket): receiveAnswer(command, ticket)
            case .modemState(let state): receive(state)
            case .lineState(let state): receive(state)
            case .suspended(let on): remoteSuspended = on
            case .refused: return refused("it refuses COM-PORT-OPTION")
            case .echoed: return refused("it sends back what it is sent")
            }
        }
        logTrace()
        completeOpening()
        stage()
        serveWrites()
        serveReads()
        progressDrains()
        progressClosing()
        notifyPollers()
    }

    private mutating func receiveAnswer(_ command: ComPortCommand, _ ticket: ComPortClient.Ticket?) {
        // What came before the opening purge was on the line before the port was opened.
        if case .purgeData = command { isBeforeOpening = false }
        // The server's word first, then the waiting tcsetattr: TCGETS right after shows it.
        adopt(command)
        if let ticket { settle(ticket, command) }
    }

    /// A request needs to be waited for no longer: it was answered, or given up (nil).
    mutating func settle(_ ticket: ComPortClient.Ticket, _ command: ComPortCommand?) {
        unresolved.remove(ticket)
        if command != nil { noteBarrier(ticket) }
        if purge?.ticket == ticket { purge = nil }
        if let wanted = rs485.requests.removeValue(forKey: ticket) { settleRS485(wanted, ticket, command) }
        for index in settings.indices.reversed() where settings[index].tickets.remove(ticket) != nil {
            guard settings[index].tickets.isEmpty else { continue }
            answerIoctl(settings.remove(at: index).id)
        }
        if case .opening(var required, let deadline) = link, required.remove(ticket) != nil {
            link = .opening(required: required, deadline: deadline)
        }
    }

    /// The port is open once the server speaks RFC 2217 and every setting is answered or given up.
    private mutating func completeOpening() {
        guard case .opening(let required, _) = link, client.isActive, required.isEmpty else { return }
        if attempts > 0 {
            log(.notice, "connected again after \(attempts) failed attempt\(attempts == 1 ? "" : "s")")
        } else if liveFiles > 0 {
            log(.notice, "connected again")
        }
        attempts = 0
        isBeforeOpening = false
        lossDeadline = nil
        if isLost { reconnects += 1 }
        isLost = false
        link = .up
        if client.unanswered != [] { log(.info, "the server does not answer: \(client.unanswered)") }
        beginOpens()
        stage()
    }

    /// The server is none of RFC 2217.
    private mutating func refused(_ why: String) {
        let said = client.heard.isEmpty ? "it said nothing else" : "it said \"\(client.heard.printable(limit: 60))\""
        attempts += 1
        fault(attempts == 1 ? .error : .debug, "the server does not speak RFC 2217: \(why); \(said)")
        failOpens(.protocolError)
        effects.list.append(.disconnect(graceful: false))
        dropConnectionState()
        link = .disconnecting
    }

    /// Time is over for the server to agree.
    mutating func openingTimedOut() {
        if client.isActive {
            // It speaks the protocol and leaves settings unanswered: as good as it gets.
            link = .opening(required: [], deadline: now)
            completeOpening()
        } else {
            refused("no answer to COM-PORT-OPTION")
        }
    }

    /// The connection ended without our doing.
    package mutating func connectionLost(_ reason: String) {
        beginEvent()
        switch link {
        case .opening, .up: break
        case .down, .connecting, .lost, .disconnecting: return
        }
        let wasOpening = link != .up
        let said = client.isActive || client.heard.isEmpty ? "" : "; it said \"\(client.heard.printable(limit: 60))\""
        let unsent = wire.dataCount + unacknowledged()
        if wasOpening { attempts += 1 }
        effects.list.append(.disconnect(graceful: false))
        let level: LogLevel = attempts > 1 ? .debug : liveFiles > 0 || wasOpening ? .error : .notice
        fault(level, "connection lost: \(reason)\(said)")
        isLost = isLost || !wasOpening
        if unsent > 0 { log(.warning, "up to \(unsent) bytes were on the way when the connection was lost") }
        let hadCarrier = inputs.contains(.dcd)
        dropConnectionState()
        link = .disconnecting
        if wasOpening { failOpens(.connectionReset) }
        if closing != nil { progressClosing() }
        guard isHeld else { return }
        if hadCarrier && liveFiles > 0 && !discipline.termios.cflag.contains(.CLOCAL) {
            hangUp("carrier lost with the connection")
        } else if configuration.lossTimeout == 0 {
            hangUp("connection lost")
        } else if lossDeadline == nil {
            lossDeadline = configuration.lossTimeout.map { now + $0 }
        }
    }

    /// Requests without an answer in their time.
    mutating func giveUp(_ tickets: [ComPortClient.Ticket]) {
        for ticket in tickets { settle(ticket, nil) }
        if !client.output.isEmpty {
            wire.appendCommands(client.output)
            client.output.removeAll()
        }
        completeOpening()
    }

    /// What was said on a connection holds no longer.
    private mutating func dropConnectionState() {
        loseRS485Requests()
        let tickets = unresolved.union(queue.flushCommands())
        for ticket in tickets { settle(ticket, nil) }
        unresolved.removeAll()
        if timedBreak != nil, let timedBreak {
            answerIoctl(timedBreak.id)
            self.timedBreak = nil
            isBreaking = false
        }
        wire.removeAll()
        peer = nil
        told = nil
        purge = nil
        lingerUntil = nil
        remoteSuspended = false
        flagOfNextByte = nil
        isLineUnpaced = false
        dropInputs()
    }

    /// Ends the connection.
    mutating func disconnect(graceful: Bool) {
        effects.list.append(.disconnect(graceful: graceful))
        lingerUntil = nil
        if !graceful { wire.removeAll() }
        let leftover = wire
        dropConnectionState()
        wire = leftover
        link = .disconnecting
    }

    /// The connection, or the attempt to make one, has ended as asked for.
    package mutating func disconnected() {
        beginEvent()
        guard link == .disconnecting else { return }
        wire.removeAll()
        link = .down
        if opens.contains(where: { $0.isForLink }) {
            startConnecting()
        } else if isHeld || configuration.connect == .always {
            retryLater()
        } else {
            attempts = 0
        }
    }

    /// The servers to connect to are others: what waits for another attempt tries at once.
    package mutating func serversChanged() {
        beginEvent()
        guard case .lost = link else { return }
        attempts = min(attempts, 1)
        startConnecting()
    }

    /// Hands decoded words over to the log.
    mutating func logTrace() {
        guard !client.trace.isEmpty else { return }
        for line in client.trace { log(.trace, line) }
        client.trace.removeAll()
    }
}
