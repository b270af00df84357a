import SerialLine

/// A queue of bytes. The caller observes the limit: it asks for `room` before it appends.
struct ByteQueue {
    let capacity: Int
    /// All bytes held; those before `head` were taken already. Encoders may append here.
    var storage: [UInt8] = []
    private var head = 0

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { storage.count - head }
    var isEmpty: Bool { count == 0 }
    /// Bytes that still fit; 0 if the limit is exceeded.
    var room: Int { max(capacity - count, 0) }

    /// The bytes held.
    var contents: Range<Int> { head..<storage.count }

    /// Calls `body` with the first `limit` bytes.
    func withFront<Result>(_ limit: Int, _ body: (borrowing Span<UInt8>) -> Result) -> Result {
        body(storage.span.extracting(head..<head + max(min(limit, count), 0)))
    }

    mutating func drop(_ count: Int) {
        head += max(min(count, self.count), 0)
        if head == storage.count {
            removeAll()
        } else if head > capacity {
            storage.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll() {
        storage.removeAll(keepingCapacity: true)
        head = 0
    }

    mutating func append(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        storage.append(contentsOf: bytes, range)
    }
}
