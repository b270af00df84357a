import RFC2217
import SerialLine

/// Bytes on their way to the socket, encoded and in order; what is here will be sent, whatever else happens.
struct Wire: Sendable {
    /// No more data is encoded ahead than this: what is not yet here can still be flushed.
    static let stage = 16384

    /// Waits to be sent.
    var bytes: [UInt8] = []
    /// How many bytes are being sent by who took them.
    private var takenCount = 0
    /// Data bytes, before escaping, among those waiting and those taken.
    private var data = 0
    private var takenData = 0

    init() { bytes.reserveCapacity(Self.stage * 2) }

    var isEmpty: Bool { bytes.isEmpty && takenCount == 0 }
    /// Bytes of data that may be added now.
    var room: Int { max(0, Self.stage - bytes.count - takenCount) }
    /// Data bytes not yet sent.
    var dataCount: Int { data + takenData }

    mutating func appendData(_ span: borrowing Span<UInt8>) {
        bytes.appendTelnetData(span)
        data += span.count
    }

    /// Hands all waiting bytes over, in exchange for an empty buffer.
    /// - Returns: were there any?
    mutating func take(into buffer: inout [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return false }
        swap(&bytes, &buffer)
        takenCount = buffer.count
        takenData = data
        data = 0
        return true
    }

    /// Takes back what was handed over: the first `count` bytes of it were sent.
    /// - Returns: how many bytes of data those carried.
    mutating func giveBack(_ buffer: inout [UInt8], sent count: Int) -> Int {
        // Dropped in the meantime: the connection is another one.
        guard takenCount > 0 else {
            buffer.removeAll(keepingCapacity: true)
            return 0
        }
        let isWhole = count >= buffer.count
        let carried = isWhole ? takenData : min(takenData, count)
        if isWhole {
            buffer.removeAll(keepingCapacity: true)
        } else {
            buffer.removeFirst(count)
            buffer += bytes
            swap(&bytes, &buffer)
            buffer.removeAll(keepingCapacity: true)
            data += takenData - carried
        }
        takenCount = 0
        takenData = 0
        return carried
    }

    /// The data here counts no longer: it cannot be taken back, but the programs have given it up.
    mutating func disownData() {
        data = 0
        takenData = 0
    }

    /// Drops everything.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        takenCount = 0
        data = 0
        takenData = 0
    }
}
