import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// write(2) (n_tty_write, uart_write) and the way to the wire.
extension VirtualTTY {
    /// A program writes `bytes`.
    package mutating func write(
        _ id: RequestID, _ file: FileID, _ bytes: borrowing Span<UInt8>, nonBlocking: Bool
    ) {
        beginEvent()
        guard let open = files[file], !open.isDead else { return fail(id, .ioError) }
        if bytes.count == 0 { return answer(id, .written(0)) }
        if lent.isLent { return writeToDiscipline(id, file, bytes) }
        // One write(2) at a time has the port (tty_write_lock).
        let taken = writes.isEmpty ? accept(bytes, from: 0) : 0
        if taken == bytes.count { return answer(id, .written(taken)) }
        if nonBlocking {
            return answer(id, taken > 0 ? .written(taken) : .error(.resourceTemporarilyUnavailable))
        }
        var rest: [UInt8] = []
        rest.append(contentsOf: bytes, taken..<bytes.count)
        writes.append(ParkedWrite(id: id, file: file, bytes: rest, before: taken))
    }

    /// May data go to the wire? Not while stopped, nor inside a timed break, nor without a link.
    private var holdsData: Bool { discipline.isOutputStopped || remoteSuspended || timedBreak != nil }

    /// Takes as many of a program's bytes as there is room for once c_oflag is done with them.
    private mutating func accept(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        if discipline.writesUnprocessed && !discipline.hasEchoes {
            return put(bytes, from: start, isDirect: goesDirect)
        }
        var output = makeOutput()
        discipline.processEchoes(to: &output)
        let taken = discipline.write(bytes, from: start, to: &output)
        put(&output)
        return taken
    }

    /// Takes as many bytes as there is room for, as they are.
    mutating func acceptUnprocessed(_ bytes: borrowing Span<UInt8>) -> Int {
        put(bytes, from: 0, isDirect: goesDirect)
    }

    /// Is nothing queued, so that data goes straight to the wire?
    private var goesDirect: Bool { isLinkUp && queue.isEmpty && !holdsData }

    /// What the line discipline is to put its output into.
    mutating func makeOutput() -> OutputBuffer {
        let spare = spareOutput
        spareOutput = []
        outputGoesDirect = goesDirect
        return OutputBuffer(
            room: queue.room + (outputGoesDirect ? wire.room : 0), roomWhenEmpty: TransmitQueue.capacity, reusing: spare
        )
    }

    /// Passes on what the line discipline has put out.
    mutating func put(_ output: inout OutputBuffer) {
        if output.flushesDriver { dropTransmit() }
        // What comes out before a stop in the same bytes is not held by it.
        if !output.bytes.isEmpty { _ = put(output.bytes.span, from: 0, isDirect: outputGoesDirect) }
        spareOutput = output.takeMemory()
    }

    /// Takes as many bytes as there is room for: to the wire where nothing is queued before them, else to the queue.
    private mutating func put(_ bytes: borrowing Span<UInt8>, from start: Int, isDirect: Bool) -> Int {
        var offset = start
        if isDirect {
            let direct = min(wire.room, bytes.count - offset)
            if direct > 0 {
                wire.appendData(bytes.extracting(offset..<offset + direct))
                offset += direct
            }
        }
        if offset < bytes.count { offset += queue.append(bytes, from: offset) }
        let taken = offset - start
        counters.transmitted &+= UInt64(taken)
        acceptedBytes &+= UInt64(taken)
        return taken
    }

    /// Queues a command behind the data written so far, and sends what can be sent.
    /// - Returns: the ticket of its answer.
    @discardableResult
    mutating func send(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = makeTicket()
        if let needless = queue.append(command, ticket) { settle(needless, nil) }
        stage()
        return ticket
    }

    /// Moves what is queued to the wire, as far as it may go.
    mutating func stage() {
        guard isLinkUp else { return }
        if !client.output.isEmpty {
            wire.appendCommands(client.output)
            client.output.removeAll(keepingCapacity: true)
        }
        var data: [UInt8] = []
        while wire.room > 0, let item = queue.next(limit: wire.room, holdsData: holdsData, data: &data) {
            switch item {
            case .data:
                wire.appendData(data.span)
                data.removeAll(keepingCapacity: true)
            case .command(let command, let ticket):
                encode(command, ticket, patience: patience(for: command))
            }
        }
        logTrace()
    }

    /// Encodes a command right behind what is on the wire.
    mutating func encode(
        _ command: ComPortCommand, _ ticket: ComPortClient.Ticket, patience: UInt64 = ComPortClient.answerWithin
    ) {
        var encoded: [UInt8] = []
        client.encode(command, ticket: ticket, now: now, patience: patience, to: &encoded)
        wire.appendCommands(encoded)
    }

    /// A barrier's answer may take as long as the line has to send; any other answer has the usual time.
    private mutating func patience(for command: ComPortCommand) -> UInt64 {
        switch command {
        case .setBaudRate(0), .setModemStateMask:
            reckonLineTime()
            return lineFreeAt.since(now) + UInt64(wire.dataCount) &* lineSettings.frameNanoseconds
                + Self.barrierPatience
        default: return ComPortClient.answerWithin
        }
    }

    /// Takes the bytes to send now into `buffer`, which must be empty. Only one taker at a time, who then calls
    /// `giveBack`.
    /// - Returns: are there any?
    package mutating func takeUnsent(into buffer: inout [UInt8]) -> Bool { wire.take(into: &buffer) }

    /// Is there anything to send?
    package var hasUnsent: Bool { !wire.isEmpty }

    /// The bytes of `takeUnsent` have been sent, `count` of them; the others are to be taken again.
    package mutating func giveBack(_ buffer: inout [UInt8], sent count: Int) {
        beginEvent()
        untimedBytes += wire.giveBack(&buffer, sent: count)
        if untimedBytes >= Self.untimedLimit { reckonLineTime() }
        stage()
        goOnWithEchoes()
        serveWrites()
        progressDrains()
        progressClosing()
        notifyPollers()
    }

    /// Echoes that waited for room come before what programs write.
    private mutating func goOnWithEchoes() {
        guard discipline.hasEchoes else { return }
        var output = makeOutput()
        discipline.processEchoes(to: &output)
        put(&output)
    }

    /// Lets parked writes go on.
    mutating func serveWrites() {
        defer { resumeDiscipline() }
        while !writes.isEmpty {
            let bytes = writes[0].bytes
            writes[0].offset += accept(bytes.span, from: writes[0].offset)
            guard writes[0].offset == bytes.count else { return }
            let write = writes.removeFirst()
            answer(write.id, .written(write.before + write.offset))
        }
    }

    /// So many bytes at most go to the line without a look at the clock: their time on the line is reckoned from a
    /// little too late, by no more than they take themselves.
    static let untimedLimit = 64

    /// Adds the time that what has gone to the socket takes on the line.
    mutating func reckonLineTime() {
        guard untimedBytes > 0 else { return }
        if !isLineUnpaced {
            lineFreeAt = max(lineFreeAt, now) + UInt64(untimedBytes) &* lineSettings.frameNanoseconds
        }
        untimedBytes = 0
    }

    /// Has the line, by its rate, sent all that has gone to the socket?
    var isLineFree: Bool {
        mutating get {
            reckonLineTime()
            return lineFreeAt <= now
        }
    }

    /// Bytes of data that have not yet gone to the socket.
    var untransmitted: Int { queue.count + wire.dataCount }
}
