import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// The connection to the remote port: made at the first open, negotiated and set up in one round trip, made again when
// it is lost.
extension VirtualTTY {
    /// The program has started: connects at once if the connection is held always.
    package mutating func start() {
        beginEvent()
        reporting.lastReported.since = now
        if configuration.connect == .always { startConnecting() }
    }

    /// A lookup has ended.
    package mutating func lookedUp(
        _ number: Int, _ server: Endpoint, _ result: Result<[ServerAddress], LookupFailure>
    ) {
        beginEvent()
        if remote.lookedUp(number, server, result) { tryNext() }
    }

    private mutating func tryNext() {
        if !remote.tryNext(configuration.connectTimeout, now: now) { passFailed() }
    }

    /// The TCP connection is made: options, settings and lines are sent in one segment. A connection that the port no
    /// longer wants is ended.
    /// - Parameter number: the connection's number; bytes queued here are sent on this connection or dropped.
    package mutating func connected(_ number: Int, to peer: String) {
        beginEvent()
        guard remote.connected(number, to: peer) else { return }
        log(.info, "connected to \(peer)")
        rs485.isRefused = false
        transmission.begin(server: peer)
        outputs.forgetSent()
        reception.forgetConnection()
        let isFirst = liveFiles == 0
        inputs.forgetFall()
        if isFirst { inputs.beginShowing() }
        reception.isBeforeOpening = isFirst
        // Open files keep the lines that they had; a first open raises the lines once it completes.
        if isFirst && configuration.lines == .raise && requests.has(.open) && !discipline.termios.isB0 {
            outputs.command(OutputLines.all)
        }
        transmission.append(remote.client.output)
        remote.client.output.removeAll()
        let required = sendOpening(isFirst: isFirst)
        remote.opening(required: required, deadline: now + remote.openingLimit(configuration.connectTimeout))
    }

    /// Masks, all settings, and the lines.
    /// - Returns: the requests that must be answered, or given up, before the port counts as open.
    private mutating func sendOpening(isFirst: Bool) -> Set<ComPortClient.Ticket> {
        var commands: [ComPortCommand] = [.setModemStateMask(Self.modemStateMask)]
        if wantedLineStateMask != [] { commands.append(.setLineStateMask(wantedLineStateMask)) }
        commands += changes(from: nil, to: lineSettings)
        // Bytes received before the first open do not belong to the program that opens the port.
        if isFirst { commands.append(.purgeData(PurgeBuffers.receive.rawValue)) }
        if rs485.mustBeSent { commands.append(.setControl(rs485Command(rs485.settings.isEnabled))) }
        if isBreaking { commands.append(.setControl(.breakOn)) }
        commands += outputs.takeCommands()
        remote.lastSentSettings = lineSettings
        remote.toldLineStateMask = wantedLineStateMask
        var required: Set<ComPortClient.Ticket> = []
        for command in commands {
            let ticket = sendAtOnce(command)
            if let kind = command.answerKind, AnswerKinds.settings.contains(kind) { required.insert(ticket) }
            if command.answerKind == .vendor { rs485.requests[ticket] = rs485.settings }
        }
        return required
    }

    /// A TCP connection could not be made.
    package mutating func connectFailed(_ number: Int, _ error: Errno) {
        beginEvent()
        if remote.connectFailed(number, error) { tryNext() }
    }

    /// Bytes from the remote port, on the connection of this number.
    package mutating func receive(_ bytes: borrowing Span<UInt8>, connection: Int) {
        beginEvent()
        guard remote.takesCommands, connection == remote.number else { return }
        var offset = 0
        while let event = remote.client.next(bytes, &offset, now: { time.now }) {
            if remote.client.hasSpoken { receiveUndecided() }
            switch event {
            // Data that arrives before the server has agreed to RFC 2217 is the server's own text, not data of the
            // port. Before its first command, it may be.
            case .data(let range):
                guard remote.client.isActive else { break }
                if remote.client.hasSpoken || remote.isUp || !reception.hold(bytes, range) {
                    receiveUndecided()
                    receiveData(bytes, range)
                }
            case .answered(let command, let ticket): receiveAnswer(command, ticket)
            case .modemState(let state): receive(state)
            case .lineState(let state): receive(state)
            case .suspended(let on): transmission.isSuspended = on
            case .refused: return refused("it refuses COM-PORT-OPTION")
            case .echoed: return refused("it echoes what it receives")
            }
        }
    }

    /// The data held back is data of the port.
    private mutating func receiveUndecided() {
        guard !reception.undecided.isEmpty else { return }
        let data = reception.takeUndecided()
        receiveData(data.span, data.indices)
    }

    private mutating func receiveAnswer(_ command: ComPortCommand, _ ticket: ComPortClient.Ticket?) {
        // Data before the answer to the opening purge was on the line before the port was opened.
        if case .purgeData = command { reception.isBeforeOpening = false }
        // First adopt the server's value, then answer the waiting tcsetattr: a TCGETS right after it returns that
        // value.
        adopt(command)
        guard let ticket else { return }
        transmission.answered(ticket, &time, frame: lineSettings.frameNanoseconds)
        settle(ticket, command)
    }

    /// A request was answered, or given up (nil).
    private mutating func settle(_ ticket: ComPortClient.Ticket, _ command: ComPortCommand?) {
        remote.resolve(ticket)
        if reception.purge?.ticket == ticket { reception.purge = nil }
        settleRS485(ticket, command)
    }

    /// Requests without an answer in their time.
    mutating func giveUpAnswers() {
        for ticket in remote.client.expire(now) {
            transmission.gaveUp(ticket)
            settle(ticket, nil)
        }
    }

    /// Answers ioctls that waited for the server.
    mutating func serveSettings() {
        guard requests.has(.setting) else { return }
        for setting in requests.all(ParkedSetting.self) {
            let isOver = setting.request.deadline <= now
            switch setting.request.what {
            case .termios:
                if isOver || !setting.request.tickets.contains(where: { remote.isOpen($0) }) {
                    answerIoctl(requests.take(setting.id))
                }
            case .rs485(let outcome):
                if let outcome {
                    answer(requests.take(setting.id), outcome)
                } else if isOver {
                    let outcome = rs485TimedOut(setting.request)
                    for ticket in setting.request.tickets where outcome == .refused { settleRS485(ticket, nil) }
                    answer(requests.take(setting.id), outcome)
                }
            }
        }
    }

    private mutating func answer(_ reply: consuming Reply, _ outcome: RS485Outcome) {
        switch outcome {
        case .inForce(let settings): answerIoctl(reply, settings.bytes)
        case .refused: fail(reply, .notTTY)
        case .lost: fail(reply, .ioError)
        }
    }

    /// Completes the opening once the server has agreed to RFC 2217 and each setting is answered or given up.
    /// - Returns: whether the port is up.
    mutating func completeOpening() -> Bool {
        guard case .opening(let required, let deadline) = link, remote.client.isActive else { return false }
        guard deadline <= now || !required.contains(where: { remote.isOpen($0) }) else { return false }
        if remote.attempts > 0 {
            log(.notice, "connected again after \(remote.attempts) failed attempt\(remote.attempts == 1 ? "" : "s")")
        } else if liveFiles > 0 {
            log(.notice, "connected again")
        }
        receiveUndecided()
        reception.isBeforeOpening = false
        remote.opened()
        // The opening has lowered DTR (B0); the server itself may have raised it.
        if outputs.commanded.contains(.dtr) && !outputs.levels.contains(.dtr) {
            inputs.dtrFell(now)
            if liveFiles > 0 { inputs.begin(dtrIsUp: false, &time) }
        }
        let unanswered = remote.client.unanswered
        if unanswered != [] { log(.info, "the server does not answer: \(unanswered)") }
        restartCarrierWaits()
        return true
    }

    /// The server does not speak RFC 2217.
    mutating func refused(_ why: String) {
        let text = ServerText(remote.client.heard)
        let error: Errno = text.meaning == .portInUse ? .resourceBusy : .protocolError
        failOpening(error, "the server \(text.diagnosis(why, hasClosed: false))")
    }

    /// A connection ended before the port was open: the next address is tried, if there is one.
    private mutating func failOpening(_ error: Errno, _ reason: String) {
        let hasMore = remote.failOpening(error, reason)
        remote.disconnect(graceful: false)
        dropConnectionState()
        if hasMore { return log(.info, "\(reason); trying the next address") }
        let failure = remote.takeFailure()
        fault(remote.attempts == 1 ? .error : .debug, failure.reason)
        failOpens(failure.error)
    }

    /// The server has closed the connection. If it had not sent a COM-PORT command, its text may say why.
    package mutating func connectionClosed(_ number: Int) {
        let reason = "the server closed it"
        guard number == remote.number, case .opening = link, !remote.client.hasSpoken else {
            return connectionLost(number, reason)
        }
        beginEvent()
        let text = ServerText(remote.client.heard)
        let error: Errno = text.meaning == .portInUse ? .resourceBusy : .connectionReset
        failOpening(error, "the server \(text.diagnosis(reason, hasClosed: true))")
    }

    /// The connection ended, and the port had not ordered that.
    package mutating func connectionLost(_ number: Int, _ reason: String) {
        beginEvent()
        guard number == remote.number else { return }
        loseConnection(reason)
    }

    /// The connection is lost: the peer ended it, or no longer acknowledges.
    mutating func loseConnection(_ reason: String) {
        switch link {
        case .opening:
            let heard = remote.client.heard
            let said = remote.client.hasSpoken || heard.isEmpty ? "" : "; it sent \"\(heard.printable(limit: 60))\""
            let isInUse = !remote.client.hasSpoken && ServerText(heard).meaning == .portInUse
            failOpening(isInUse ? .resourceBusy : .connectionReset, "connection lost: \(reason)\(said)")
        case .up:
            fault(liveFiles > 0 ? .error : .notice, "connection lost: \(reason)")
            remote.lose()
            remote.disconnect(graceful: false)
            loseHeldConnection()
        case .down, .connecting, .lost, .disconnecting: break
        }
    }

    /// Open files wait for a new connection, or are hung up.
    private mutating func loseHeldConnection() {
        let hadCarrier = inputs.hasCarrier
        dropConnectionState()
        guard isHeld else { return }
        if hadCarrier && liveFiles > 0 && !discipline.termios.cflag.contains(.CLOCAL) {
            hangUp("carrier lost with the connection")
        } else if configuration.lossTimeout == 0 {
            hangUp("connection lost")
        } else if remote.lossDeadline == nil {
            remote.lossDeadline = configuration.lossTimeout.map { now + $0 }
        }
    }

    /// The connection, or the attempt to make one, has ended as ordered.
    package mutating func disconnected(_ number: Int) {
        beginEvent()
        guard remote.disconnected(number) else { return }
        if transmission.hasConnectionState {
            // Bytes that the ended connection could not send are not sent on another one.
            transmission.flushData()
            _ = transmission.end(unacknowledged: 0)
        }
        if remote.isInPass { return tryNext() }
        if requests.all(ParkedOpen.self).contains(where: { !$0.request.isForCarrier }) {
            startConnecting()
        } else if isHeld || configuration.connect == .always {
            remote.retryLater(now: now)
        } else {
            remote.down()
        }
    }

    /// Replaces the servers. An established connection is kept; an attempt in progress starts anew.
    package mutating func setServers(_ servers: [Endpoint]) {
        beginEvent()
        if remote.setServers(servers), !remote.abandonAttempt() { startConnecting() }
    }
}
