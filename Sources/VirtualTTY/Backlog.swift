import LineDiscipline
import SerialLine

/// Received bytes that wait for room in the line discipline (tty_buffer.c's flip buffer). It holds what it is given;
/// who fills it looks at `isFull` first.
struct Backlog: Sendable {
    /// Above this nothing more is received, unless an answer is waited for, until it has gone down to `resumeLimit`.
    static let softLimit = 262_144
    static let resumeLimit = 65536
    /// Above this nothing more is received whatever is waited for (the kernel's own limit, TTYB_DEFAULT_MEM_LIMIT).
    static let hardLimit = 655_360

    private var bytes: [UInt8] = []
    private var head = 0

    var count: Int { bytes.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ span: borrowing Span<UInt8>, _ range: Range<Int>) {
        bytes.append(contentsOf: span, range)
    }

    /// Hands on what the line discipline has room for.
    mutating func move(to discipline: inout LineDiscipline) {
        consumed(discipline.receive(bytes.span, from: head))
    }

    /// Hands everything over.
    mutating func takeAll() -> [UInt8] {
        defer { removeAll() }
        return Array(bytes[head...])
    }

    private mutating func consumed(_ taken: Int) {
        head += taken
        guard isEmpty || head > Self.resumeLimit else { return }
        let keep = bytes.capacity <= 2 * Self.resumeLimit
        if isEmpty {
            bytes.removeAll(keepingCapacity: keep)
        } else {
            bytes.removeSubrange(..<head)
        }
        head = 0
    }

    mutating func removeAll() { consumed(count) }
}
