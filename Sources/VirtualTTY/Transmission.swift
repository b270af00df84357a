import LineDiscipline
import RFC2217
import SerialLine

/// The way of data from the programs to the socket: the queue, the wire, the line clock, and the account of what was
/// accepted, drained and lost.
struct Transmission: Sendable {
    /// Data as the programs wrote it, and the commands between them.
    private(set) var queue = TransmitQueue()
    private(set) var wire = Wire()
    var line = LineClock()
    /// Data that no socket took before its connection ended. It goes out first.
    private var kept = KeptData()
    private var delivery = DeliveryLog()
    /// The account of a connection that has ended while a sender still had bytes of it.
    private var outdated: (delivery: DeliveryLog, unacknowledged: Int)?
    /// Bytes of data accepted from programs since the port was made, and how far they have been drained.
    private(set) var accepted: UInt64 = 0
    private(set) var drained: UInt64 = 0
    /// The server's FLOWCONTROL-SUSPEND.
    var isSuspended = false
    /// Memory for what the line discipline puts out.
    private var spareOutput: [UInt8] = []
    /// What it puts out now goes straight to the wire.
    private var outputGoesDirect = false

    /// Bytes of data that have not gone to the socket.
    var untransmitted: Int { kept.count + queue.count + wire.dataCount }
    /// Everything accepted has been drained, or dropped.
    var isDrained: Bool { accepted == drained }
    /// Nothing waits before data that is written now.
    var isQueueEmpty: Bool { queue.isEmpty && kept.isEmpty }

    // From the programs.

    /// Takes as many bytes as there is room for: to the wire if nothing is queued before them, else to the queue.
    mutating func put(_ bytes: borrowing Span<UInt8>, from start: Int, isDirect: Bool) -> Int {
        var offset = start
        if isDirect {
            let direct = min(wire.room, bytes.count - offset)
            if direct > 0 {
                stageData(bytes.extracting(offset..<offset + direct))
                offset += direct
            }
        }
        if offset < bytes.count { offset += queue.append(bytes, from: offset) }
        let taken = offset - start
        accepted &+= UInt64(taken)
        return taken
    }

    /// A buffer for the line discipline's output, with as much room as wire and queue have.
    mutating func makeOutput(goesDirect: Bool) -> OutputBuffer {
        let spare = spareOutput
        spareOutput = []
        outputGoesDirect = goesDirect
        return OutputBuffer(
            room: queue.room + (goesDirect ? wire.room : 0), roomWhenEmpty: TransmitQueue.capacity, reusing: spare)
    }

    /// Takes the line discipline's output. What comes out before a stop in the same bytes is not held by it.
    /// - Returns: bytes taken.
    mutating func put(_ output: inout OutputBuffer) -> Int {
        let taken = output.bytes.isEmpty ? 0 : put(output.bytes.span, from: 0, isDirect: outputGoesDirect)
        spareOutput = output.takeMemory()
        return taken
    }

    /// Queues a command behind the data written so far.
    /// - Returns: the ticket of a command that it has made needless.
    mutating func queue(_ command: ComPortCommand, _ ticket: ComPortClient.Ticket) -> ComPortClient.Ticket? {
        queue.append(command, ticket)
    }

    // To the wire.

    /// Puts the next piece of data on the wire, or gives the next command, which the caller encodes.
    /// - Parameter holdsData: data stays, and commands overtake it.
    /// - Returns: nil if nothing may go.
    mutating func next(holdsData: Bool) -> TransmitQueue.Item? {
        let room = wire.room
        guard room > 0 else { return nil }
        if !kept.isEmpty && !holdsData {
            let data = kept.take(room)
            stageData(data.span)
            return .data(data.count)
        }
        var data: [UInt8] = []
        // Kept data is older than all that is queued, a barrier too.
        guard let item = queue.next(limit: room, holdsData: holdsData, data: &data) else { return nil }
        if case .data = item { stageData(data.span) }
        return item
    }

    private mutating func stageData(_ bytes: borrowing Span<UInt8>) {
        wire.appendData(bytes)
        delivery.stage(bytes.count)
    }

    /// Puts data on the wire ahead of what is queued: a flow character.
    mutating func sendAtOnce(_ byte: UInt8) { stageData([byte].span) }

    /// Puts an encoded command on the wire.
    mutating func append(_ encoded: [UInt8], _ ticket: ComPortClient.Ticket?) {
        if let ticket { delivery.mark(ticket) }
        wire.appendCommands(encoded)
    }

    // To the socket.

    mutating func take(into buffer: inout [UInt8]) -> Bool { wire.take(into: &buffer) }

    /// The sender has sent `count` of the bytes it took.
    /// - Returns: what was lost with a connection that has ended meanwhile; nil if nothing was.
    mutating func giveBack(_ buffer: inout [UInt8], sent count: Int) -> LostBytes? {
        let returned = wire.giveBack(&buffer, sent: count)
        guard let rest = returned.outdated else {
            delivery.took(returned.sentData)
            delivery.align(waiting: wire.dataCount)
            line.sent(returned.sentData)
            return nil
        }
        kept.prepend(rest)
        guard var outdated else { return nil }
        self.outdated = nil
        outdated.delivery.took(returned.sentData)
        return LostBytes(outdated.delivery, unacknowledged: outdated.unacknowledged)
    }

    // Answers.

    mutating func answered(_ ticket: ComPortClient.Ticket) { delivery.answered(ticket) }

    mutating func markDrained(to target: UInt64) { drained = max(drained, target) }

    /// Bytes of data, at the most, that the socket has sent and its peer has not acknowledged.
    func unacknowledgedData(of unacknowledged: @autoclosure () -> Int) -> Int {
        guard accepted != drained else { return 0 }
        // What else the socket has sent is commands.
        let sent = Int(clamping: accepted &- drained) - untransmitted
        return sent <= 0 ? 0 : max(0, min(unacknowledged(), sent))
    }

    // Drops.

    /// Drops the data that is queued, not that on the wire.
    mutating func flushQueue() {
        kept.removeAll()
        queue.flushData()
    }

    /// Drops all data that has not gone to the socket.
    mutating func flushData() {
        flushQueue()
        wire.flushData()
    }

    /// Drops all data, that on the line too: the program asked for it.
    mutating func purge(_ time: inout EventTime) {
        flushData()
        // The second half of a doubled 0xFF stays on the wire.
        delivery.flush(unsent: wire.takenData + wire.dataCount)
        line.clear(&time)
        forgetUndrained()
    }

    /// Nothing of what was accepted is waited for any more.
    mutating func forgetUndrained() { drained = accepted }

    // Connections.

    /// A connection begins: it has to be told everything.
    mutating func begin() {
        delivery = DeliveryLog()
        hasConnectionState = true
        isSuspended = false
        line.forgetServer()
    }

    /// A connection has begun, and `end` was not called for it.
    private(set) var hasConnectionState = false

    /// The connection has ended. Data that no socket took is kept; commands are dropped.
    /// - Parameter unacknowledged: bytes that the peer's kernel has not acknowledged.
    /// - Returns: the lost bytes; nil if there are none. If a sender still has bytes, `giveBack` returns the lost ones.
    mutating func end(unacknowledged: Int) -> LostBytes? {
        hasConnectionState = false
        let rest = wire.reclaim()
        kept.prepend(rest)
        isSuspended = false
        line.forgetServer()
        _ = queue.flushCommands()
        defer { delivery = DeliveryLog() }
        if wire.owesOutdated {
            if outdated == nil { outdated = (delivery, unacknowledged) }
            return nil
        }
        return LostBytes(delivery, unacknowledged: unacknowledged)
    }
}

/// Data bytes that a socket took and that may never have reached the line.
struct LostBytes: Equatable, Sendable {
    /// The peer's kernel has not acknowledged them.
    let unacknowledged: Int
    /// The peer's kernel has acknowledged them, and the server has not answered any command behind them.
    let unconfirmed: Int

    var total: Int { unacknowledged + unconfirmed }

    /// - Returns: nil if nothing was lost.
    init?(_ delivery: DeliveryLog, unacknowledged: Int) {
        let lost = Int(clamping: delivery.lost)
        guard lost > 0 else { return nil }
        self.unacknowledged = min(unacknowledged, lost)
        unconfirmed = lost - self.unacknowledged
    }
}

/// Data that waits for the next connection, in order.
private struct KeptData: Sendable {
    private var bytes: [UInt8] = []
    private var head = 0

    var count: Int { bytes.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func prepend(_ more: [UInt8]) {
        if more.isEmpty { return }
        bytes = more + bytes[head...]
        head = 0
    }

    mutating func take(_ limit: Int) -> [UInt8] {
        let end = min(head + limit, bytes.count)
        defer { if end == bytes.count { removeAll() } else { head = end } }
        return Array(bytes[head..<end])
    }

    mutating func removeAll() {
        bytes = []
        head = 0
    }
}
