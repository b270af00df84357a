import LineDiscipline
import RFC2217
import SerialLine

// From programs, echoes and ioctls to the wire.
extension VirtualTTY {
    /// Whether data goes directly to the wire, because nothing is queued or held.
    private var goesDirect: Bool { remote.isUp && transmission.isQueueEmpty && !holdsData }

    /// Takes as many of a program's bytes as there is room for after c_oflag processing.
    mutating func accept(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        if discipline.writesUnprocessed && !discipline.hasEchoes {
            return acceptUnprocessed(bytes, from: start)
        }
        var output = makeOutput()
        discipline.processEchoes(to: &output)
        let taken = discipline.write(bytes, from: start, to: &output)
        put(&output)
        return taken
    }

    /// Takes as many bytes as there is room for, without processing.
    mutating func acceptUnprocessed(_ bytes: borrowing Span<UInt8>, from start: Int = 0) -> Int {
        var limit = 0
        if goesDirect {
            openWindow(for: bytes.count - start)
            limit = transmission.windowRoom
        }
        let taken = put(bytes, from: start, direct: limit)
        counters.transmitted &+= UInt64(taken)
        return taken
    }

    /// A buffer for the line discipline's output.
    mutating func makeOutput() -> OutputBuffer {
        let isDirect = goesDirect
        if isDirect { openWindow(for: Wire.stage) }
        return transmission.makeOutput(goesDirect: isDirect)
    }

    /// Passes on the line discipline's output.
    mutating func put(_ output: inout OutputBuffer) {
        if output.flushesDriver { dropTransmit() }
        if !output.bytes.isEmpty {
            let taken = put(output.bytes.span, from: 0, direct: transmission.outputDirectRoom)
            counters.transmitted &+= UInt64(taken)
        }
        transmission.reuse(&output)
    }

    /// Takes as many bytes as there is room for: to the wire, with questions between them, and then to the queue. A
    /// stop character in the same bytes does not hold the output before it.
    /// - Parameter limit: bytes that may be put on the wire.
    private mutating func put(_ bytes: borrowing Span<UInt8>, from start: Int, direct limit: Int) -> Int {
        let end = start + min(limit, bytes.count - start)
        var offset = start
        while offset < end {
            if transmission.wantsQuestion(dataWaits: false) { ask() }
            let next = offset + min(transmission.untilQuestion, end - offset)
            transmission.putDirect(bytes.extracting(offset..<next))
            offset = next
        }
        return offset - start + transmission.putBehind(bytes, from: offset)
    }

    /// Continues echoes that waited for room: they precede the bytes that programs write.
    mutating func resumeEchoes() {
        guard discipline.hasEchoes else { return }
        var output = makeOutput()
        discipline.processEchoes(to: &output)
        put(&output)
    }

    // Commands.

    /// Queues a command behind the data already written.
    /// - Returns: the ticket of its answer.
    @discardableResult
    mutating func send(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = remote.makeTicket()
        if let needless = transmission.queue(command, ticket) { remote.resolve(needless) }
        return ticket
    }

    /// Sends a command ahead of the queue.
    @discardableResult
    mutating func sendAtOnce(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = remote.makeTicket()
        encode(command, ticket)
        return ticket
    }

    /// Moves queued data and commands to the wire, as far as allowed. The client's own negotiation comes first, even
    /// before the port is open: a server may wait for it.
    mutating func stage() {
        guard remote.takesCommands else { return logTrace() }
        if !remote.client.output.isEmpty {
            transmission.append(remote.client.output)
            remote.client.output.removeAll(keepingCapacity: true)
        }
        if remote.isUp { stageQueued() }
        logTrace()
    }

    private mutating func stageQueued() {
        noteHold()
        let holdsData = holdsData
        while true {
            if transmission.wantsQuestion(dataWaits: dataWaits && !holdsData) { ask() }
            if dataWaits && !holdsData { openWindow(for: transmission.waiting) }
            guard let item = transmission.next(holdsData: holdsData) else { return }
            if case .command(let command, let ticket) = item {
                encode(command, ticket, isQuestion: command.isBarrier)
            }
        }
    }

    /// Sends a harmless question behind all data, if data was written since the last question and the server is known
    /// to answer it.
    mutating func sendBarrier() -> ComPortClient.Ticket? {
        guard !transmission.isDrained, remote.isUp else { return nil }
        return remote.client.barrier(mask: Self.modemStateMask).map { send($0) }
    }

    /// Moves decoded commands to the log.
    private mutating func logTrace() {
        guard !remote.client.trace.isEmpty else { return }
        for line in remote.client.trace { log(.trace, line) }
        remote.client.trace.removeAll()
    }

    // The line.

    /// Starts or ends a break, behind the data already written.
    mutating func setBreak(_ on: Bool) {
        isBreaking = on
        if remote.takesCommands { send(.setControl(on ? .breakOn : .breakOff)) }
    }

    /// Commands DTR and RTS, both behind the data written before, in one segment.
    mutating func setOutputs(_ lines: ModemLines, mask: ModemLines = OutputLines.all) {
        if outputs.levels.contains(.dtr) && mask.contains(.dtr) && !lines.contains(.dtr) { inputs.dtrFell(now) }
        outputs.command(lines, mask: mask)
        guard remote.takesCommands else { return }
        for command in outputs.takeCommands() { send(command) }
    }

    /// Sends VSTOP or VSTART ahead of the queue; a disabled character (0) sends nothing.
    mutating func sendFlowCharacter(_ character: ControlCharacter) {
        let byte = discipline.termios[character]
        guard byte != 0, remote.isUp else { return }
        transmission.sendAtOnce(byte)
    }

    /// Drops all data that the line has not sent, here and at the far end.
    mutating func dropTransmit() {
        transmission.purge(reachesLine: !remote.isUp || remote.client.answered.contains(.purge), &time)
        if remote.isUp { sendAtOnce(.purgeData(PurgeBuffers.transmit.rawValue)) }
    }

    /// Sends each setting that differs from the one last sent.
    /// - Returns: the requests whose answers are worth waiting for.
    mutating func sendSettings() -> Set<ComPortClient.Ticket> {
        transmission.forgetRoom()
        guard remote.takesCommands else { return [] }
        let commands = changes(from: remote.lastSentSettings, to: lineSettings) + lineStateMaskChange()
        remote.lastSentSettings = lineSettings
        remote.toldLineStateMask = wantedLineStateMask
        var awaited: Set<ComPortClient.Ticket> = []
        for command in commands {
            let isAwaited =
                command.answerKind.map { AnswerKinds.settings.contains($0) && remote.client.isAnswerExpected($0) }
                ?? false
            let ticket = send(command)
            if isAwaited { awaited.insert(ticket) }
        }
        return awaited
    }

    /// The commands that change a server's settings from `old` (nil: unknown) to `new`. The rate comes last: its
    /// answer confirms all. A flow control common to both directions also sets the inbound one (RFC 2217).
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

    /// The line states that termios uses. No others are requested: a server that reports a bad byte may drop it.
    /// Without this request a break arrives as a NUL in the data, as termios defines.
    var wantedLineStateMask: LineState {
        let iflag = discipline.termios.iflag
        var mask: LineState = []
        if iflag.contains(.INPCK) { mask.formUnion([.parity, .framing, .overrun]) }
        if iflag.intersection([.IGNBRK, .BRKINT, .PARMRK]) != [] { mask.insert(.breakDetected) }
        return mask
    }

    private func lineStateMaskChange() -> [ComPortCommand] {
        wantedLineStateMask == remote.toldLineStateMask ? [] : [.setLineStateMask(wantedLineStateMask)]
    }

    // To the socket.

    /// Takes the bytes to send now into `buffer`, which must be empty. Only one caller at a time, which then calls
    /// `returnUnsent`.
    /// - Returns: whether there are any.
    package mutating func takeUnsent(into buffer: inout [UInt8]) -> Bool { transmission.take(into: &buffer) }

    /// Whether there are bytes to send.
    package var hasUnsent: Bool { !transmission.wire.isEmpty }

    /// `count` of the bytes from `takeUnsent` have been sent; the others are returned to be taken again.
    package mutating func returnUnsent(_ buffer: inout [UInt8], sent count: Int) {
        beginEvent()
        if count > 0 { remote.liveness.sent(&time) }
        let returned = transmission.returnUnsent(&buffer, sent: count)
        if transmission.line.wantsReckoning { reckonLineTime() }
        if let lost = returned { reportLoss(lost) }
    }

    /// Bytes that a socket took were lost with the connection.
    mutating func reportLoss(_ lost: LostBytes) {
        reporting.lostBytes &+= UInt64(lost.total)
        fault(
            .warning,
            "\(lost.total) bytes lost with the connection: \(lost.unacknowledged) unacknowledged, "
                + "\(lost.unconfirmed) unconfirmed")
    }
}
