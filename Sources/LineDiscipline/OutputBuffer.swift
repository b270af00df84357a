import SerialLine

/// The driver as a line discipline sees it: what it is given, and how much it takes.
package struct OutputBuffer: Sendable {
    /// Bytes for the driver, processed.
    package private(set) var bytes: [UInt8] = []
    /// How many more it takes.
    package private(set) var room: Int
    /// A signal character came: what the driver had queued before `bytes` is to be dropped.
    package private(set) var flushesDriver = false
    /// The room of a driver that has nothing queued.
    private let roomWhenEmpty: Int
    /// Takes the driver nothing while output is stopped? A pseudo-terminal's does not; a uart's fills its queue.
    package let refusesWhileStopped: Bool

    /// - Parameters:
    ///   - room: bytes the driver takes now.
    ///   - roomWhenEmpty: bytes it takes once it has been flushed.
    ///   - bytes: memory to use; it is emptied.
    package init(
        room: Int, roomWhenEmpty: Int, refusesWhileStopped: Bool = false, reusing bytes: consuming [UInt8] = []
    ) {
        self.room = room
        self.roomWhenEmpty = roomWhenEmpty
        self.refusesWhileStopped = refusesWhileStopped
        self.bytes = bytes
        self.bytes.removeAll(keepingCapacity: true)
    }

    /// Gives its memory back, to be used again.
    package mutating func takeMemory() -> [UInt8] {
        let memory = bytes
        bytes = []
        return memory
    }

    /// Takes one byte; there must be room.
    mutating func append(_ byte: UInt8) {
        bytes.append(byte)
        room -= 1
    }

    /// Takes these bytes; there must be room.
    mutating func append(_ span: borrowing Span<UInt8>, _ range: Range<Int>) {
        bytes.append(contentsOf: span, range)
        room -= range.count
    }

    /// Drops what was given so far, and what the driver had before.
    mutating func flush() {
        bytes.removeAll(keepingCapacity: true)
        flushesDriver = true
        room = roomWhenEmpty
    }
}
