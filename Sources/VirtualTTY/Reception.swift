import LineDiscipline
import RFC2217
import SerialLine

/// Received bytes on their way to the line discipline, and facts about the bytes that come next.
struct Reception: Sendable {
    /// Received bytes the line discipline has no room for yet: the kernel's flip buffer.
    var backlog = Backlog()
    /// VSTOP was sent, because the backlog is too long.
    var isThrottled = false
    /// How the next byte came from the line, as reported by the far end.
    var flagOfNextByte: ReceiveFlag?
    /// Received data is dropped until this purge is answered, or has timed out.
    var purge: PendingPurge?
    /// A first open is in progress, and its purge is not answered: data that arrives is older than the open.
    var isBeforeOpening = false

    /// Data that may be the server's own text, until its first COM-PORT command shows that it is data of the port.
    private(set) var undecided: [UInt8] = []
    /// Most bytes that are held back: a longer text is data.
    private static let undecidedLimit = 256

    /// Holds data back.
    /// - Returns: false if there is too much of it; then none is held back any longer.
    mutating func hold(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard undecided.count + range.count <= Self.undecidedLimit else { return false }
        undecided.append(contentsOf: bytes, range)
        return true
    }

    /// Removes and returns the data held back.
    mutating func takeUndecided() -> [UInt8] {
        defer { undecided.removeAll() }
        return undecided
    }

    /// Data that arrives now is dropped: it is older than a flush.
    var dropsData: Bool { purge != nil || isBeforeOpening }

    /// A connection has ended: the bytes that it announced will not arrive.
    mutating func forgetConnection() {
        purge = nil
        flagOfNextByte = nil
        isBeforeOpening = false
        undecided.removeAll()
    }
}

struct PendingPurge: Sendable {
    let ticket: ComPortClient.Ticket
    let deadline: MonotonicTime
}
