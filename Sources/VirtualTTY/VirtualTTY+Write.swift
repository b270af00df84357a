import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// write(2) (n_tty_write, uart_write) and the way to the wire.
extension VirtualTTY {
    /// A program writes `bytes`.
    package mutating func write(
        _ id: RequestID, _ file: FileID, _ bytes: borrowing Span<UInt8>, nonBlocking: Bool, now: MonotonicTime
    ) {
        self.now = now
        guard let open = files[file], !open.isDead else { return fail(id, .ioError) }
        if bytes.count == 0 { return answer(id, .written(0)) }
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
    private var holdsData: Bool { outputStopped || remoteSuspended || timedBreak != nil }

    /// Takes as many bytes as there is room for: to the wire where nothing is queued before them, else to the queue.
    private mutating func accept(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        var offset = start
        if isLinkUp && queue.isEmpty && !holdsData {
            let direct = min(wire.room, bytes.count - offset)
            if direct > 0 {
                wire.appendData(bytes.extracting(offset..<offset + direct))
                offset += direct
            }
        }
        if offset < bytes.count { offset += queue.append(bytes, from: offset) }
        let taken = offset - start
        counters.transmitted &+= UInt32(truncatingIfNeeded: taken)
        acceptedBytes &+= UInt64(taken)
        return taken
    }

    /// Queues a command behind the data written so far, and sends what can be sent.
    /// - Returns: the ticket of its answer.
    @discardableResult
    mutating func send(_ command: ComPortCommand) -> ComPortClient.Ticket {
        let ticket = makeTicket()
        queue.append(command, ticket)
        stage()
        return ticket
    }

    /// Moves what is queued to the wire, as far as it may go.
    mutating func stage() {
        guard isLinkUp else { return }
        if !client.output.isEmpty {
            wire.bytes += client.output
            client.output.removeAll(keepingCapacity: true)
        }
        var data: [UInt8] = []
        while wire.room > 0, let item = queue.next(limit: wire.room, holdsData: holdsData, data: &data) {
            switch item {
            case .data:
                wire.appendData(data.span)
                data.removeAll(keepingCapacity: true)
            case .command(let command, let ticket):
                client.encode(command, ticket: ticket, now: now, patience: patience(for: command), to: &wire.bytes)
            }
        }
        logTrace()
    }

    /// A barrier's answer may take as long as the line has to send; any other answer has the usual time.
    private func patience(for command: ComPortCommand) -> UInt64 {
        switch command {
        case .setBaudRate(0), .setModemStateMask:
            lineFreeAt.since(now) + UInt64(wire.dataCount) &* lineSettings.frameNanoseconds + Self.barrierPatience
        default: ComPortClient.answerWithin
        }
    }

    /// The bytes to send now, if any; `sent` is to be told how many went.
    package func withUnsent<Result>(_ body: (borrowing Span<UInt8>) -> Result) -> Result? {
        wire.isEmpty ? nil : body(wire.bytes.span.extracting(wire.unsentRange))
    }

    /// Is there anything to send?
    package var hasUnsent: Bool { !wire.isEmpty }

    /// So many bytes of `withUnsent` went to the socket.
    package mutating func sent(_ count: Int, now: MonotonicTime) {
        self.now = now
        let data = wire.sent(count)
        if data > 0 {
            let start = max(lineFreeAt, now)
            lineFreeAt = start + UInt64(data) &* lineSettings.frameNanoseconds
        }
        stage()
        serveWrites()
        notifyPollers()
    }

    /// Lets parked writes go on.
    mutating func serveWrites() {
        while !writes.isEmpty {
            let bytes = writes[0].bytes
            writes[0].offset += accept(bytes.span, from: writes[0].offset)
            guard writes[0].offset == bytes.count else { return }
            let write = writes.removeFirst()
            answer(write.id, .written(write.before + write.offset))
        }
    }

    /// Bytes of data that have not yet gone to the socket.
    var untransmitted: Int { queue.count + wire.dataCount }
}
