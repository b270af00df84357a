import RFC2217
import SerialLine

/// Bytes on their way to the socket, encoded and in order; what is here will be sent, whatever else happens.
struct Wire: Sendable {
    /// No more data is encoded ahead than this: what is not yet here can still be flushed.
    static let stage = 16384

    var bytes: [UInt8] = []
    private var head = 0
    /// Data bytes, before escaping, among those not yet sent.
    private var data = 0

    init() { bytes.reserveCapacity(Self.stage * 2) }

    var unsentCount: Int { bytes.count - head }
    var isEmpty: Bool { bytes.count == head }
    /// Bytes of data that may be added now.
    var room: Int { max(0, Self.stage - unsentCount) }
    var unsentRange: Range<Int> { head..<bytes.count }
    /// Data bytes not yet sent.
    var dataCount: Int { data }

    mutating func appendData(_ span: borrowing Span<UInt8>) {
        bytes.appendTelnetData(span)
        data += span.count
    }

    /// So many bytes have been sent.
    /// - Returns: how many bytes of data they carried.
    mutating func sent(_ count: Int) -> Int {
        head += min(count, unsentCount)
        if isEmpty {
            bytes.removeAll(keepingCapacity: true)
            head = 0
        }
        let carried = isEmpty ? data : min(data, count)
        data -= carried
        return carried
    }

    /// Drops everything.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        head = 0
        data = 0
    }
}
