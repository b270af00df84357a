/// N_TTY's echo buffer: what is to be echoed, until the driver takes it. A ring of 4096 bytes. 0xFF stands before an
/// operation, before a control character to be shown as ^X, and before 0xFF itself.
struct EchoQueue: Sendable {
    /// What may follow 0xFF: values that no control character has.
    enum Operation: UInt8 {
        /// The cursor is one column to the left of what was counted.
        case moveBackColumn = 0x80
        /// Here a line of canonical input begins.
        case setCanonColumn = 0x81
        /// A tab is erased; the next byte says how wide it was.
        case eraseTab = 0x82
    }

    static let start: UInt8 = 0xFF
    /// In the byte after `eraseTab`: the columns are counted from a tab, not from the line's beginning.
    static let afterTab: UInt8 = 0x80

    /// Echoes are handed on in blocks of so many bytes while more is received (ECHO_COMMIT_WATERMARK, ECHO_BLOCK).
    private static let block = 256
    /// So many bytes may wait; then the oldest are dropped (ECHO_DISCARD_WATERMARK).
    private static let limit = InputQueue.size - (block + 32)

    private var storage = [UInt8](repeating: 0, count: InputQueue.size)
    private var head = 0
    /// Up to here it is to be handed on.
    private(set) var commit = 0
    /// The next byte to hand on.
    private(set) var tail = 0

    subscript(_ position: Int) -> UInt8 { storage[InputQueue.place(position)] }

    /// Is nothing in it?
    var isEmpty: Bool { head == tail }
    var isCommitted: Bool { commit == head }
    /// Is there hardly room for what shows one more character erased?
    var isNearlyFull: Bool { head - tail > InputQueue.size - 16 }

    mutating func removeAll() {
        head = 0
        commit = 0
        tail = 0
    }

    private mutating func add(_ byte: UInt8) {
        storage[InputQueue.place(head)] = byte
        head += 1
    }

    mutating func add(_ operation: Operation) {
        add(Self.start)
        add(operation.rawValue)
    }

    /// So many bytes have been handed on.
    mutating func advance(_ count: Int) { tail = min(tail + count, head) }

    /// Erases a tab.
    /// - Parameters:
    ///   - columns: taken by what stands before it, from the line's beginning or from another tab.
    mutating func addEraseTab(columns: Int, afterTab: Bool) {
        add(.eraseTab)
        add(UInt8(columns & 7) | (afterTab ? Self.afterTab : 0))
    }

    /// Echoes a byte as it is (echo_char_raw).
    mutating func addPlain(_ byte: UInt8) {
        if byte == Self.start { add(Self.start) }
        add(byte)
    }

    /// Echoes a control character as ^X.
    mutating func addControl(_ byte: UInt8) {
        add(Self.start)
        add(byte)
    }

    /// Commits it if another block is full (commit_echoes).
    /// - Returns: is it so?
    mutating func commitBlocks() -> Bool {
        let waiting = head - tail
        guard waiting >= Self.block, waiting % Self.block <= (commit - tail) % Self.block else { return false }
        commit = head
        return true
    }

    mutating func commitAll() { commit = head }

    /// Drops the oldest where there might be too many before the next commit.
    mutating func dropExcess() {
        while commit > tail && commit - tail >= Self.limit {
            if self[tail] != Self.start {
                advance(1)
            } else {
                advance(self[tail + 1] == Operation.eraseTab.rawValue ? 3 : 2)
            }
        }
    }
}
