import RFC2217
import SerialLine

/// Encoded bytes on their way to the socket, in order. One thread at a time takes all of them, sends some, and
/// returns the rest. If the connection ends meanwhile, the data of that rest belongs to the next connection.
struct Wire: Sendable {
    /// Most bytes of data that are encoded in advance.
    static let stage = 16384

    /// Encoded bytes, with the ranges that are commands.
    private struct Segment: Sendable {
        var bytes: [UInt8] = []
        /// In order. All other bytes are data, with each 0xFF doubled.
        var commands: [Range<Int>] = []
        /// Data bytes, before doubling.
        var data = 0

        mutating func removeAll() {
            bytes.removeAll(keepingCapacity: true)
            commands.removeAll(keepingCapacity: true)
            data = 0
        }
    }

    private var waiting = Segment()
    /// The last byte sent was the first of a doubled 0xFF.
    private var isInsidePair = false
    /// The next byte to send is the second half of a doubled 0xFF whose data was flushed.
    private var beginsWithFlushedHalf = false
    /// A sender holds `taken.bytes`.
    private var isTaken = false
    private var takenCount = 0
    private var taken = Segment()
    /// Data among the taken bytes is dropped if it is returned.
    private var flushesTaken = false
    /// The taken bytes are for a connection that has ended.
    private var isTakenOutdated = false

    init() { waiting.bytes.reserveCapacity(Self.stage * 2) }

    var isEmpty: Bool { waiting.bytes.isEmpty && !isTaken }
    /// Bytes of data that may be added now. 0 while a sender holds bytes of an earlier connection, because their data
    /// comes first.
    var room: Int { isTakenOutdated ? 0 : max(0, Self.stage - waiting.bytes.count - takenCount) }
    /// Data bytes not sent yet.
    var dataCount: Int { waiting.data + (flushesTaken ? 0 : taken.data) }
    /// Data bytes that a sender has taken.
    var takenData: Int { isTaken ? taken.data : 0 }
    /// Encoded bytes not sent yet.
    var count: Int { waiting.bytes.count + takenCount }
    /// A sender holds bytes of a connection that has ended; `returnUnsent` will report their fate.
    var owesOutdated: Bool { isTakenOutdated }

    mutating func appendData(_ span: borrowing Span<UInt8>) {
        waiting.bytes.appendTelnetData(span)
        waiting.data += span.count
    }

    /// Adds whole commands.
    mutating func appendCommands(_ encoded: [UInt8]) {
        guard !encoded.isEmpty else { return }
        waiting.commands.append(waiting.bytes.count..<waiting.bytes.count + encoded.count)
        waiting.bytes += encoded
    }

    /// Drops unsent data. Commands remain, and so does the second half of a doubled 0xFF.
    mutating func flushData() {
        if isTaken {
            dropData(keepingFirst: false)
            flushesTaken = true
        } else {
            dropData(keepingFirst: isInsidePair)
            beginsWithFlushedHalf = isInsidePair
        }
    }

    private mutating func dropData(keepingFirst: Bool) {
        var kept: [UInt8] = keepingFirst ? [TelnetCommand.iac] : []
        let first = kept.count
        for range in waiting.commands { kept += waiting.bytes[range] }
        waiting.commands = kept.count == first ? [] : [first..<kept.count]
        waiting.bytes = kept
        waiting.data = first
    }

    /// Moves all waiting bytes to a sender, in exchange for an empty buffer.
    /// - Returns: whether there were any.
    mutating func take(into buffer: inout [UInt8]) -> Bool {
        guard !waiting.bytes.isEmpty, !isTaken else { return false }
        swap(&waiting, &taken)
        swap(&taken.bytes, &buffer)
        waiting.removeAll()
        isTaken = true
        takenCount = buffer.count
        return true
    }

    /// The fate of the bytes that a sender had taken.
    struct Returned {
        /// Data bytes that the socket took completely.
        var sentData: Int
        /// Data for the next connection, if the bytes were for one that has ended.
        var outdated: [UInt8]?
    }

    /// Takes the bytes of a sender back: the first `count` of them were sent.
    mutating func returnUnsent(_ buffer: inout [UInt8], sent count: Int) -> Returned {
        guard isTaken else { return Returned(sentData: 0) }
        swap(&taken.bytes, &buffer)
        defer {
            taken.removeAll()
            swap(&taken.bytes, &buffer)
            isTaken = false
            takenCount = 0
            flushesTaken = false
            isTakenOutdated = false
        }
        if count > 0 { beginsWithFlushedHalf = false }
        if count >= taken.bytes.count && !isTakenOutdated {
            isInsidePair = false
            return Returned(sentData: taken.data)
        }
        let sent = Self.count(taken, upTo: count, isInsidePair: isInsidePair)
        if isTakenOutdated {
            let rest = flushesTaken ? [] : Self.data(taken, from: count, isInsidePair: sent.endsInside)
            return Returned(sentData: sent.data, outdated: withoutFlushedHalf(rest))
        }
        isInsidePair = sent.endsInside
        putBack(from: count, data: taken.data - sent.data)
        return Returned(sentData: sent.data)
    }

    /// Puts the unsent rest before the bytes added meanwhile.
    private mutating func putBack(from count: Int, data: Int) {
        let later = waiting
        waiting.bytes = Array(taken.bytes[count...])
        waiting.commands = taken.commands.compactMap { range in
            range.upperBound <= count ? nil : max(0, range.lowerBound - count)..<range.upperBound - count
        }
        waiting.data = data
        if flushesTaken {
            dropData(keepingFirst: isInsidePair)
            beginsWithFlushedHalf = isInsidePair
        }
        let offset = waiting.bytes.count
        waiting.bytes += later.bytes
        waiting.commands += later.commands.map { $0.lowerBound + offset..<$0.upperBound + offset }
        waiting.data += later.data
    }

    /// The connection has ended: removes everything.
    /// - Returns: the data that no socket took. If a sender has bytes, `returnUnsent` returns the data among those, which
    ///   comes before this.
    mutating func reclaim() -> [UInt8] {
        let data = Self.data(waiting, from: 0, isInsidePair: isInsidePair && !isTaken)
        waiting.removeAll()
        guard !isTaken else {
            isTakenOutdated = true
            return data
        }
        return withoutFlushedHalf(data)
    }

    /// The data for the next connection, without the second half of a flushed pair.
    private mutating func withoutFlushedHalf(_ data: [UInt8]) -> [UInt8] {
        defer {
            isInsidePair = false
            beginsWithFlushedHalf = false
        }
        return beginsWithFlushedHalf ? Array(data.dropFirst()) : data
    }

    /// Number of complete data bytes among the first `count` bytes, and whether those end inside a doubled 0xFF.
    private static func count(
        _ segment: Segment, upTo count: Int, isInsidePair: Bool
    ) -> (data: Int, endsInside: Bool) {
        var data = 0
        var inside = isInsidePair
        scan(segment, 0..<min(count, segment.bytes.count)) { byte in
            if inside || byte != TelnetCommand.iac { data += 1 }
            inside = !inside && byte == TelnetCommand.iac
        }
        return (data, inside)
    }

    /// The data from byte `start` on, not doubled.
    private static func data(_ segment: Segment, from start: Int, isInsidePair: Bool) -> [UInt8] {
        var data: [UInt8] = []
        var inside = isInsidePair
        scan(segment, min(start, segment.bytes.count)..<segment.bytes.count) { byte in
            if inside || byte != TelnetCommand.iac { data.append(byte) }
            inside = !inside && byte == TelnetCommand.iac
        }
        return data
    }

    /// Calls `body` for the bytes of a range that do not belong to commands.
    private static func scan(_ segment: Segment, _ range: Range<Int>, _ body: (UInt8) -> Void) {
        var commands = segment.commands[...]
        for index in range {
            while let first = commands.first, first.upperBound <= index { commands.removeFirst() }
            if let first = commands.first, first.contains(index) { continue }
            body(segment.bytes[index])
        }
    }
}
