import SerialLine

/// A queue of bytes in memory of fixed size.
package struct ByteRing: Sendable {
    private var storage: [UInt8]
    private var head = 0
    package private(set) var count = 0

    /// - Parameter capacity: in bytes; allocated once.
    package init(capacity: Int) { storage = [UInt8](repeating: 0, count: capacity) }

    package var capacity: Int { storage.count }
    package var room: Int { storage.count - count }
    package var isEmpty: Bool { count == 0 }

    /// Queues as many of `bytes`, from `start` on, as there is room for.
    /// - Returns: the number of bytes queued.
    package mutating func append(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        let taken = min(room, bytes.count - start)
        guard taken > 0 else { return 0 }
        let tail = (head + count) % storage.count
        let first = min(taken, storage.count - tail)
        storage.replace(at: tail, with: bytes.extracting(start..<start + first))
        storage.replace(at: 0, with: bytes.extracting(start + first..<start + taken))
        count += taken
        return taken
    }

    /// Moves up to `limit` bytes from the front to the end of `destination`.
    /// - Returns: the number of bytes moved.
    package mutating func move(_ limit: Int, to destination: inout [UInt8]) -> Int {
        let taken = min(limit, count)
        let first = min(taken, storage.count - head)
        destination.append(contentsOf: storage.span, head..<head + first)
        destination.append(contentsOf: storage.span, 0..<taken - first)
        head = (head + taken) % storage.count
        count -= taken
        return taken
    }

    package mutating func removeAll() {
        head = 0
        count = 0
    }
}
