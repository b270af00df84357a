import LineDiscipline
import SerialLine

/// Received bytes that wait for room in the line discipline, as in tty_buffer.c's flip buffer, with the line errors
/// among them. The caller that fills it checks `count` first.
struct Backlog: Sendable {
    /// Above this many bytes nothing more is received, unless an answer is awaited, until `count` has fallen to
    /// `resumeLimit`.
    static let softLimit = 262_144
    static let resumeLimit = 65536
    /// Above this many bytes nothing more is received, even if an answer is awaited (the kernel's limit,
    /// TTYB_DEFAULT_MEM_LIMIT).
    static let hardLimit = 655_360
    /// Most line errors that are kept; the bytes of further ones count as good.
    static let errorLimit = 4096

    private var bytes: [UInt8] = []
    private var head = 0
    /// The bytes that came with an error, in order: the place in `bytes`, and the kind of error.
    private var errors: [(place: Int, flag: ReceiveFlag)] = []

    var count: Int { bytes.count - head }
    var isEmpty: Bool { count == 0 }

    /// The most it holds, in bytes. It takes more than `hardLimit` only from a connection that has ended, whose unread
    /// bytes are received at once.
    static let capacity = 1_048_576

    /// Appends as many bytes as there is room for.
    /// - Returns: the number of bytes appended.
    mutating func append(_ span: borrowing Span<UInt8>, _ range: Range<Int>) -> Int {
        let taken = min(range.count, max(0, Self.capacity - count))
        bytes.append(contentsOf: span, range.lowerBound..<range.lowerBound + taken)
        return taken
    }

    /// Appends one byte that came with an error.
    mutating func append(_ byte: UInt8, _ flag: ReceiveFlag) {
        guard errors.count < Self.errorLimit else { return }
        errors.append((bytes.count, flag))
        bytes.append(byte)
    }

    /// Passes to the line discipline the bytes that it has room for.
    mutating func move(to discipline: inout LineDiscipline, _ output: inout OutputBuffer) {
        while !isEmpty {
            guard let error = errors.first else {
                return consumed(discipline.receive(bytes.span, from: head, to: &output))
            }
            if error.place > head {
                let run = error.place - head
                let taken = discipline.receive(bytes.span.extracting(..<error.place), from: head, to: &output)
                consumed(taken)
                if taken < run { return }
            } else {
                guard discipline.receive(bytes[head], error.flag, to: &output) else { return }
                errors.removeFirst()
                consumed(1)
            }
        }
    }

    /// Removes and returns all bytes.
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
        for index in errors.indices { errors[index].place -= head }
        head = 0
    }

    mutating func removeAll() {
        errors.removeAll()
        consumed(count)
    }
}
