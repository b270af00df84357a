import LineDiscipline
import RFC2217
import SerialLine

/// Received bytes on their way to the line discipline, and news of the bytes that come next.
struct Reception: Sendable {
    /// Received bytes the line discipline has no room for yet: the kernel's flip buffer.
    var backlog = Backlog()
    /// VSTOP was sent, because too much is received.
    var isThrottled = false
    /// The far end has said how the next byte came from the line.
    var flagOfNextByte: ReceiveFlag?
    /// Received data is dropped until this purge is answered, or the time is over.
    var purge: PendingPurge?
    /// A first open is being made, and the purge that goes with it is not answered: data that comes is from before it.
    var isBeforeOpening = false

    /// Data that comes now is dropped: it is older than a flush.
    var dropsData: Bool { purge != nil || isBeforeOpening }

    /// A connection has ended: the bytes it announced will not come.
    mutating func forgetConnection() {
        purge = nil
        flagOfNextByte = nil
        isBeforeOpening = false
    }
}

struct PendingPurge: Sendable {
    let ticket: ComPortClient.Ticket
    let deadline: MonotonicTime
}
