import LineDiscipline
import RFC2217
import SerialLine

/// The path of data from programs to the socket: queue, window, wire and line clock, with counts of accepted, drained
/// and lost bytes.
struct Transmission: Sendable {
    /// Data as the programs wrote it, and the commands between them.
    private(set) var queue: TransmitQueue
    private(set) var wire = Wire()
    var line = LineClock()
    var window: WriteWindow
    /// Bytes that may be put on the wire, as calculated at the last look, less the bytes put there since.
    private var knownRoom = 0
    /// Bytes between two questions, as calculated at the last look; nil if the server answers no question.
    private var spacing: Int?
    /// When an unanswered question is repeated; nil if no answer is expected.
    private(set) var askAgainAt: MonotonicTime?
    /// Data that no socket took before its connection ended. It goes out first.
    private var kept = KeptData()
    private var delivery = DeliveryLog()
    /// The delivery log of a connection that has ended while a sender still had bytes of it.
    private var outdated: (delivery: DeliveryLog, unacknowledged: Int)?
    /// Bytes of data accepted from programs since the port was made, and how far they have been drained.
    private(set) var accepted: UInt64 = 0
    private(set) var drained: UInt64 = 0
    /// The server has sent FLOWCONTROL-SUSPEND.
    var isSuspended = false
    /// Memory for the line discipline's output.
    private var spareOutput: [UInt8] = []
    /// Bytes of that output which go straight to the wire.
    private(set) var outputDirectRoom = 0

    /// - Parameters:
    ///   - capacity: of the queue, in bytes.
    ///   - isUnlimited: data goes as fast as the socket takes it.
    init(capacity: Int = TransmitQueue.defaultCapacity, isUnlimited: Bool = false) {
        queue = TransmitQueue(capacity: capacity)
        window = WriteWindow(isUnlimited: isUnlimited)
    }

    /// Bytes of data that are queued for the wire.
    var waiting: Int { kept.count + queue.count }
    /// Bytes of data that were not written to the socket.
    var untransmitted: Int { waiting + wire.dataCount }
    /// Everything accepted has been drained, or dropped.
    var isDrained: Bool { accepted == drained }
    /// No older data is queued ahead of data written now.
    var isQueueEmpty: Bool { queue.isEmpty && kept.isEmpty }

    // The window.

    /// Bytes of data that may be put on the wire before the clock is read again.
    var windowRoom: Int { min(wire.room, knownRoom) }

    /// Bytes of data that may be put on the wire before the next question.
    var untilQuestion: Int { spacing.map { max(0, $0 - delivery.sinceQuestion) } ?? .max }

    private var room: Int { min(windowRoom, untilQuestion) }

    /// Queued data can be sent only after the line has sent more.
    var isWaitingForClock: Bool { knownRoom == 0 && !line.isHeld && waiting > 0 }

    /// Forgets the last look: the next one reads the clock.
    mutating func forgetRoom() { knownRoom = 0 }

    /// Reads the clock and calculates the room anew.
    /// - Parameters:
    ///   - frame: the time of one byte on the line, in nanoseconds.
    ///   - isAsked: the server is known to answer questions.
    mutating func look(_ time: inout EventTime, frame: UInt64, isAsked: Bool) {
        spacing = isAsked && !window.isUnlimited ? window.spacing(frame: frame) : nil
        knownRoom = window.isUnlimited ? .max : window.room(ahead(&time, frame: frame), isAsked: isAsked)
    }

    private mutating func ahead(_ time: inout EventTime, frame: UInt64) -> WriteWindow.Ahead {
        line.reckon(&time, frame: frame)
        return WriteWindow.Ahead(
            unanswered: delivery.unanswered, isAnswerExpected: delivery.isAnswerExpected,
            lineTime: line.remaining(time.now) + UInt64(wire.dataCount) &* frame, frame: frame)
    }

    /// A question must follow the data on the wire: the spacing is reached, or nothing more can be sent without an
    /// answer.
    /// - Parameter dataWaits: more data is queued.
    func wantsQuestion(dataWaits: Bool) -> Bool {
        guard let spacing else { return false }
        if delivery.sinceQuestion >= spacing { return true }
        return dataWaits && knownRoom == 0 && !delivery.isAnswerExpected && delivery.unanswered > 0
    }

    /// Returns whether an unanswered question must be repeated now.
    mutating func takeAskAgain(_ time: inout EventTime) -> Bool {
        guard let at = askAgainAt, at <= time.now else { return false }
        askAgainAt = nil
        return delivery.isAnswerExpected
    }

    /// How long an answer may be overdue before the question is repeated, in nanoseconds.
    private static let askAgainAfter: UInt64 = .seconds(2)

    /// When the window opens for queued data; nil if it is open, or if an answer or the socket opens it.
    mutating func refillTime(_ time: inout EventTime, frame: UInt64, isAsked: Bool) -> MonotonicTime? {
        guard knownRoom == 0, wire.room > 0 else { return nil }
        let ahead = ahead(&time, frame: frame)
        guard let lineTime = window.refillLineTime(ahead, isAsked: isAsked) else {
            return ahead.isAnswerExpected && !window.isSilent ? askAgainAt : nil
        }
        // Bytes that the socket has not taken have no time yet: the socket reports when it takes them.
        let onWire = UInt64(wire.dataCount) &* frame
        guard onWire <= lineTime else { return nil }
        return line.time(withRemaining: lineTime - onWire)
    }

    /// Most bytes that the line may not have sent, by the clock and the answers.
    mutating func aheadCount(_ time: inout EventTime, frame: UInt64) -> Int {
        let ahead = ahead(&time, frame: frame)
        let byClock = window.pacing == .unpaced ? 0 : ahead.bytes
        return max(byClock, ahead.isAnswerExpected ? ahead.unanswered : 0, wire.dataCount)
    }

    /// When the line will have sent all bytes written to the socket; nil if output is held.
    mutating func lineFreeAt(_ time: inout EventTime, frame: UInt64, isAsked: Bool) -> MonotonicTime? {
        line.reckon(&time, frame: frame)
        if window.pacing == .unpaced && isAsked { return MonotonicTime(nanoseconds: 0) }
        return line.time(withRemaining: 0).map { $0 + window.roundTrip.value / 2 }
    }

    // From the programs.

    /// Puts bytes directly on the wire.
    mutating func putDirect(_ bytes: borrowing Span<UInt8>) {
        stageData(bytes)
        accepted &+= UInt64(bytes.count)
    }

    /// Queues as many bytes as there is room for.
    mutating func putBehind(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        guard start < bytes.count else { return 0 }
        let taken = queue.append(bytes, from: start)
        accepted &+= UInt64(taken)
        return taken
    }

    /// A buffer for the line discipline's output, with the room that wire and queue have together.
    mutating func makeOutput(goesDirect: Bool) -> OutputBuffer {
        let spare = spareOutput
        spareOutput = []
        outputDirectRoom = goesDirect ? windowRoom : 0
        return OutputBuffer(
            room: queue.room + outputDirectRoom, roomWhenEmpty: queue.capacity, reusing: spare)
    }

    /// Returns the memory of that buffer.
    mutating func reuse(_ output: inout OutputBuffer) { spareOutput = output.takeMemory() }

    /// Queues a command behind the data already written.
    /// - Returns: the ticket of an older command that this one replaces.
    mutating func queue(_ command: ComPortCommand, _ ticket: ComPortClient.Ticket) -> ComPortClient.Ticket? {
        queue.append(command, ticket)
    }

    // To the wire.

    /// Puts the next piece of data on the wire, or returns the next command, which the caller encodes.
    /// - Parameter holdsData: data is held, and commands overtake it.
    /// - Returns: nil if nothing may be sent.
    mutating func next(holdsData: Bool) -> TransmitQueue.Item? {
        guard wire.room > 0 else { return nil }
        let room = room
        if !kept.isEmpty && !holdsData {
            // Kept data is older than everything queued, including barriers.
            guard room > 0 else { return nil }
            let data = kept.take(room)
            stageData(data.span)
            return .data(data.count)
        }
        var data: [UInt8] = []
        guard let item = queue.next(limit: room, holdsData: holdsData, data: &data) else { return nil }
        if case .data = item { stageData(data.span) }
        return item
    }

    private mutating func stageData(_ bytes: borrowing Span<UInt8>) {
        wire.appendData(bytes)
        delivery.stage(bytes.count)
        if knownRoom != .max { knownRoom = max(0, knownRoom - bytes.count) }
    }

    /// Puts a flow character on the wire, ahead of the queue.
    mutating func sendAtOnce(_ byte: UInt8) { stageData([byte].span) }

    /// Puts an encoded command on the wire.
    mutating func append(_ encoded: [UInt8]) { wire.appendCommands(encoded) }

    /// Puts an encoded command that will be answered on the wire.
    /// - Parameter isExpected: the server is known to answer it; the deadline includes the time that the line needs.
    mutating func append(
        _ encoded: [UInt8], _ ticket: ComPortClient.Ticket, isExpected: Bool, _ time: inout EventTime, frame: UInt64
    ) {
        let lineTime = ahead(&time, frame: frame).lineTime
        delivery.ask(ticket, lineTime: lineTime, isExpected: isExpected, now: time.now)
        if isExpected { askAgainAt = time.now + lineTime + window.roundTrip.value + Self.askAgainAfter }
        wire.appendCommands(encoded)
    }

    // To the socket.

    mutating func take(into buffer: inout [UInt8]) -> Bool { wire.take(into: &buffer) }

    /// The sender has sent `count` of its bytes.
    /// - Returns: the bytes lost, if their connection has ended meanwhile; otherwise nil.
    mutating func returnUnsent(_ buffer: inout [UInt8], sent count: Int) -> LostBytes? {
        let returned = wire.returnUnsent(&buffer, sent: count)
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

    /// The server has answered a command, so it has taken everything before that command.
    mutating func answered(_ ticket: ComPortClient.Ticket, _ time: inout EventTime, frame: UInt64) {
        guard let (question, count) = delivery.answered(ticket) else { return }
        if !delivery.isAnswerExpected { askAgainAt = nil }
        let ahead = ahead(&time, frame: frame)
        window.answered(question, count: count, ahead, now: time.now)
        correctClock(ahead, time.now)
        forgetRoom()
    }

    /// The line starts on the bytes behind an answered command only after the server has taken that command. An
    /// unpaced server, or one that seems unpaced, holds at most a buffer of them.
    private mutating func correctClock(_ ahead: WriteWindow.Ahead, _ now: MonotonicTime) {
        let sent = UInt64(max(0, ahead.unanswered - wire.dataCount))
        let needed = sent &* ahead.frame
        line.isBusy(until: (now + needed).earlier(window.roundTrip.value))
        if window.pacing == .unpaced {
            line.limit((sent + UInt64(WriteWindow.largestServerBuffer)) &* ahead.frame, now)
        }
    }

    /// The server has not answered a command in its time.
    mutating func gaveUp(_ ticket: ComPortClient.Ticket) {
        guard delivery.gaveUp(ticket) else { return }
        window.gaveUp()
        forgetRoom()
    }

    mutating func markDrained(to target: UInt64) { drained = max(drained, target) }

    /// Upper bound of the bytes of data that the socket has sent and the peer has not acknowledged.
    func unacknowledgedData(of unacknowledged: @autoclosure () -> Int) -> Int {
        guard accepted != drained else { return 0 }
        // The other bytes that the socket has sent are commands.
        let sent = Int(clamping: accepted &- drained) - untransmitted
        return sent <= 0 ? 0 : max(0, min(unacknowledged(), sent))
    }

    // Drops.

    /// Drops the queued data, and keeps the data on the wire.
    mutating func flushQueue() {
        kept.removeAll()
        queue.flushData()
    }

    /// Drops all data that was not written to the socket.
    mutating func flushData() {
        flushQueue()
        wire.flushData()
    }

    /// Drops all data that was not written to the socket, and stops waiting for the data that was, because the
    /// program asked for a flush.
    /// - Parameter reachesLine: the server is known to drop its data as well.
    mutating func purge(reachesLine: Bool, _ time: inout EventTime) {
        flushData()
        // The second half of a doubled 0xFF stays on the wire.
        delivery.flush(unsent: wire.takenData + wire.dataCount)
        if reachesLine { line.clear(&time) }
        forgetRoom()
        forgetUndrained()
    }

    /// Stops waiting for any accepted byte.
    mutating func forgetUndrained() { drained = accepted }

    // Connections.

    /// A connection begins. Its settings are unknown.
    /// - Parameter server: the address, by which the pacing is remembered.
    mutating func begin(server: String) {
        delivery = DeliveryLog()
        hasConnectionState = true
        isSuspended = false
        window.begin(server: server)
        askAgainAt = nil
        forgetRoom()
    }

    /// A connection has begun, and `end` was not called for it yet.
    private(set) var hasConnectionState = false

    /// The connection has ended. Data that no socket took is kept; commands are dropped.
    /// - Parameter unacknowledged: bytes that the peer's kernel has not acknowledged.
    /// - Returns: the lost bytes, if any. If a sender still has bytes, `returnUnsent` returns the lost bytes later.
    mutating func end(unacknowledged: Int) -> LostBytes? {
        hasConnectionState = false
        let rest = wire.reclaim()
        kept.prepend(rest)
        isSuspended = false
        askAgainAt = nil
        forgetRoom()
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
