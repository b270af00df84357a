/// N_TTY's echo buffer: echoes that the driver has not taken yet, in a ring of 4096 bytes. 0xFF precedes an
/// operation, a control character to show as ^X, and 0xFF itself.
struct EchoQueue: Sendable {
    /// The operations that may follow 0xFF: values that no control character has.
    enum Operation: UInt8 {
        /// Moves the counted column one to the left.
        case moveBackColumn = 0x80
        /// A line of canonical input begins here.
        case setCanonColumn = 0x81
        /// A tab is erased; the next byte contains its width.
        case eraseTab = 0x82
    }

    static let start: UInt8 = 0xFF
    /// Set in the byte after `eraseTab`: columns are counted from a tab, not from the beginning of the line.
    static let afterTab: UInt8 = 0x80

    /// Size of the blocks in which echoes are passed on while more is received (ECHO_COMMIT_WATERMARK, ECHO_BLOCK).
    private static let block = 256
    /// Most bytes that may be queued; beyond it the oldest are dropped (ECHO_DISCARD_WATERMARK).
    private static let limit = InputQueue.size - (block + 32)

    private var storage = [UInt8](repeating: 0, count: InputQueue.size)
    private var head = 0
    /// Echoes before this position may be passed on.
    private(set) var commit = 0
    /// The next byte to pass on.
    private(set) var tail = 0

    subscript(_ position: Int) -> UInt8 { storage[InputQueue.place(position)] }

    /// Whether the queue is empty.
    var isEmpty: Bool { head == tail }
    var isCommitted: Bool { commit == head }
    /// Whether there is too little room for the echo of one more erased character.
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

    /// Removes bytes that were passed on.
    mutating func advance(_ count: Int) { tail = min(tail + count, head) }

    /// Erases a tab.
    /// - Parameters:
    ///   - columns: columns between the tab and the beginning of the line, or the tab before it.
    mutating func addEraseTab(columns: Int, afterTab: Bool) {
        add(.eraseTab)
        add(UInt8(columns & 7) | (afterTab ? Self.afterTab : 0))
    }

    /// Echoes a byte unchanged (echo_char_raw).
    mutating func addPlain(_ byte: UInt8) {
        if byte == Self.start { add(Self.start) }
        add(byte)
    }

    /// Echoes a control character as ^X.
    mutating func addControl(_ byte: UInt8) {
        add(Self.start)
        add(byte)
    }

    /// Commits the queue if another block is full (commit_echoes).
    /// - Returns: whether it did.
    mutating func commitBlocks() -> Bool {
        let waiting = head - tail
        guard waiting >= Self.block, waiting % Self.block <= (commit - tail) % Self.block else { return false }
        commit = head
        return true
    }

    mutating func commitAll() { commit = head }

    /// Drops the oldest echoes if the queue might overflow before the next commit.
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
