import RFC2217
import SerialLine

/// Bytes on their way to the socket, encoded and in order.
struct Wire: Sendable {
    /// No more data is encoded ahead than this.
    static let stage = 16384

    /// Waits to be sent.
    private(set) var bytes: [UInt8] = []
    /// Which of it is not data: commands, in order.
    private var commands: [Range<Int>] = []
    /// Data bytes, before escaping, among `bytes`.
    private var data = 0
    /// The byte sent last was the first of a doubled 0xFF.
    private var isInsidePair = false

    // The same of what somebody has taken to send it.
    private var takenCount = 0
    private var takenCommands: [Range<Int>] = []
    private var takenData = 0
    /// What comes back of it is to be flushed.
    private var flushesTaken = false

    init() { bytes.reserveCapacity(Self.stage * 2) }

    var isEmpty: Bool { bytes.isEmpty && takenCount == 0 }
    /// Bytes of data that may be added now.
    var room: Int { max(0, Self.stage - bytes.count - takenCount) }
    /// Data bytes not yet sent.
    var dataCount: Int { data + (flushesTaken ? 0 : takenData) }

    mutating func appendData(_ span: borrowing Span<UInt8>) {
        bytes.appendTelnetData(span)
        data += span.count
    }

    /// Adds whole commands.
    mutating func appendCommands(_ encoded: [UInt8]) {
        guard !encoded.isEmpty else { return }
        commands.append(bytes.count..<bytes.count + encoded.count)
        bytes += encoded
    }

    /// Drops data that has not been sent; commands stay, and so does the second half of a doubled 0xFF.
    mutating func flushData() {
        flush(keepingFirst: isInsidePair && takenCount == 0)
        if takenCount > 0 { flushesTaken = true }
    }

    private mutating func flush(keepingFirst: Bool) {
        var kept: [UInt8] = keepingFirst ? [TelnetCommand.iac] : []
        for range in commands { kept += bytes[range] }
        // The single 0xFF counts as a command's: it is to be sent whatever is flushed.
        commands = kept.isEmpty ? [] : [0..<kept.count]
        bytes = kept
        data = 0
        isInsidePair = false
    }

    /// Hands all waiting bytes over, in exchange for an empty buffer.
    /// - Returns: were there any?
    mutating func take(into buffer: inout [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return false }
        swap(&bytes, &buffer)
        swap(&commands, &takenCommands)
        commands.removeAll(keepingCapacity: true)
        takenCount = buffer.count
        takenData = data
        data = 0
        return true
    }

    /// Takes back what was handed over: the first `count` bytes of it were sent.
    /// - Returns: how many bytes of data those carried, at the most.
    mutating func giveBack(_ buffer: inout [UInt8], sent count: Int) -> Int {
        // Nothing is out: it was dropped in the meantime, and the connection is another one.
        guard takenCount > 0 else {
            buffer.removeAll(keepingCapacity: true)
            return 0
        }
        let isWhole = count >= buffer.count
        let carried = isWhole ? takenData : min(takenData, count)
        if isWhole { isInsidePair = false } else { putBack(&buffer, sent: count, data: takenData - carried) }
        buffer.removeAll(keepingCapacity: true)
        takenCount = 0
        takenData = 0
        flushesTaken = false
        return carried
    }

    /// Puts the unsent rest before what has come to wait meanwhile.
    private mutating func putBack(_ buffer: inout [UInt8], sent count: Int, data restData: Int) {
        // Sending nothing leaves the wire where it was.
        if count > 0 { isInsidePair = Self.endsInsidePair(buffer, count, takenCommands) }
        let later = (bytes, commands, data)
        bytes = Array(buffer[count...])
        commands = takenCommands.compactMap { range in
            range.upperBound <= count ? nil : max(0, range.lowerBound - count)..<range.upperBound - count
        }
        data = restData
        if flushesTaken { flush(keepingFirst: isInsidePair) }
        let offset = bytes.count
        bytes += later.0
        commands += later.1.map { $0.lowerBound + offset..<$0.upperBound + offset }
        data += later.2
    }

    /// Do the first `count` bytes end between the two of a doubled 0xFF of data?
    private static func endsInsidePair(_ buffer: [UInt8], _ count: Int, _ commands: [Range<Int>]) -> Bool {
        // Back to where this run of data began.
        let start = commands.last { $0.lowerBound < count }?.upperBound ?? 0
        guard start < count else { return false }
        return buffer[start..<count].reversed().prefix { $0 == TelnetCommand.iac }.count % 2 == 1
    }

    /// Drops everything.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        commands.removeAll(keepingCapacity: true)
        data = 0
        isInsidePair = false
        takenCount = 0
        takenData = 0
        flushesTaken = false
    }
}
