import LineDiscipline
import RFC2217
import SerialLine

// From programs, echoes and ioctls to the wire.
extension VirtualTTY {
    /// Is nothing queued, so that data goes straight to the wire?
    private var goesDirect: Bool { remote.isUp && transmission.isQueueEmpty && !holdsData }

    /// Takes as many of a program's bytes as there is room for once c_oflag is done with them.
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

    /// Takes as many bytes as there is room for, as they are.
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

    /// A buffer for what the line discipline puts out.
    mutating func makeOutput() -> OutputBuffer {
        let isDirect = goesDirect
        if isDirect { openWindow(for: Wire.stage) }
        return transmission.makeOutput(goesDirect: isDirect)
    }

    /// Passes on what the line discipline has put out.
    mutating func put(_ output: inout OutputBuffer) {
        if output.flushesDriver { dropTransmit() }
        if !output.bytes.isEmpty {
            let taken = put(output.bytes.span, from: 0, direct: transmission.outputDirectRoom)
            counters.transmitted &+= UInt64(taken)
        }
        transmission.reuse(&output)
    }

    /// Takes as many bytes as there is room for: to the wire, with questions between them, and then to the queue. What
    /// comes out before a stop in the same bytes is not held by it.
    /// - Parameter limit: bytes that may go to the wire.
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

    /// Echoes that waited for room come before what programs write.
    mutating func goOnWithEchoes() {
        guard discipline.hasEchoes else { return }
        var output = makeOutput()
        discipline.processEchoes(to: &output)
        put(&output)
    }

    // Commands.

    /// Queues a command behind the data written so far.
    /// - Returns: the ticket of its answer.
    @discardableResult
    mutating func send(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = remote.makeTicket()
        if let needless = transmission.queue(command, ticket) { remote.resolve(needless) }
        return ticket
    }

    /// Sends a command ahead of what is queued.
    @discardableResult
    mutating func sendAtOnce(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = remote.makeTicket()
        encode(command, ticket)
        return ticket
    }

    /// Moves what is queued to the wire, as far as it may go. What the client has to say itself goes first, and before
    /// the port is open, too: a server may wait for it.
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

    /// Asks the server something harmless behind all data, if any was written since the last time, and if the server is
    /// known to answer.
    mutating func sendBarrier() -> ComPortClient.Ticket? {
        guard !transmission.isDrained, remote.isUp else { return nil }
        return remote.client.barrier(mask: Self.modemStateMask).map { send($0) }
    }

    /// Hands decoded words over to the log.
    private mutating func logTrace() {
        guard !remote.client.trace.isEmpty else { return }
        for line in remote.client.trace { log(.trace, line) }
        remote.client.trace.removeAll()
    }

    // The line.

    /// Begins or ends a break, behind what has been written.
    mutating func setBreak(_ on: Bool) {
        isBreaking = on
        if remote.takesCommands { send(.setControl(on ? .breakOn : .breakOff)) }
    }

    /// Commands DTR and RTS, both behind the data written before, and in one segment.
    mutating func setOutputs(_ lines: ModemLines, mask: ModemLines = OutputLines.all) {
        if outputs.levels.contains(.dtr) && mask.contains(.dtr) && !lines.contains(.dtr) { inputs.dtrFell(now) }
        outputs.command(lines, mask: mask)
        guard remote.takesCommands else { return }
        for command in outputs.takeCommands() { send(command) }
    }

    /// Sends VSTOP or VSTART ahead of what is queued; a disabled one (0) sends nothing.
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

    /// Sends every setting that differs from what the server was last told.
    /// - Returns: the requests whose answers are worth waiting for.
    mutating func sendSettings() -> Set<ComPortClient.Ticket> {
        transmission.forgetRoom()
        guard remote.takesCommands else { return [] }
        let commands = changes(from: remote.told, to: lineSettings) + lineStateMaskChange()
        remote.told = lineSettings
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

    /// The commands that bring a server from `old` settings, nil for unknown ones, to `new`. The rate comes last: its
    /// answer then stands for all. A common flow control sets the inbound one as well (RFC 2217).
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

    /// The line states that termios does something with. No others are asked for: a server that reports a bad byte may
    /// keep it. A break that was not asked about is a NUL among the data, as termios has it.
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

    /// Takes the bytes to send now into `buffer`, which must be empty. Only one taker at a time, who then calls
    /// `giveBack`.
    /// - Returns: are there any?
    package mutating func takeUnsent(into buffer: inout [UInt8]) -> Bool { transmission.take(into: &buffer) }

    /// Is there anything to send?
    package var hasUnsent: Bool { !transmission.wire.isEmpty }

    /// The bytes of `takeUnsent` have been sent, `count` of them; the others are to be taken again.
    package mutating func giveBack(_ buffer: inout [UInt8], sent count: Int) {
        beginEvent()
        if count > 0 { remote.liveness.sent(&time) }
        let returned = transmission.giveBack(&buffer, sent: count)
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
