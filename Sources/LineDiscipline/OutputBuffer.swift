import SerialLine

/// The driver's side of a line discipline: the bytes passed to it, and the room that it has.
package struct OutputBuffer: Sendable {
    /// Bytes for the driver, processed.
    package private(set) var bytes: [UInt8] = []
    /// Bytes that the driver can still take.
    package private(set) var room: Int
    /// A signal character was received: the bytes that the driver had queued before `bytes` must be dropped.
    package private(set) var flushesDriver = false
    /// The room of a driver that has nothing queued.
    private let roomWhenEmpty: Int
    /// Whether the driver takes nothing while output is stopped. A pseudo-terminal does not; a UART driver fills its
    /// queue.
    package let refusesWhileStopped: Bool

    /// - Parameters:
    ///   - room: bytes that the driver takes now.
    ///   - roomWhenEmpty: bytes that it takes after a flush.
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

    /// Returns the memory, for reuse.
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

    /// Drops the bytes already passed on, and those that the driver had before.
    mutating func flush() {
        bytes.removeAll(keepingCapacity: true)
        flushesDriver = true
        room = roomWhenEmpty
    }
}
