import RFC2217

/// The data bytes of one connection and what is known of their fate: how many the socket took, and up to where the
/// server has answered a command behind them. Bytes behind the last answered command are lost if the connection ends.
struct DeliveryLog: Sendable {
    /// Bytes put on the wire, and bytes the socket took.
    private var staged: UInt64 = 0
    private(set) var sent: UInt64 = 0
    /// Bytes before the last answered command.
    private var confirmed: UInt64 = 0
    /// The commands without an answer, and the bytes that were put on the wire before each.
    private var marks: [(ticket: ComPortClient.Ticket, position: UInt64)] = []
    /// Commands remembered at most; the oldest are forgotten.
    private static let markLimit = 256

    /// Bytes that are lost if the connection ends now.
    var lost: UInt64 { sent - min(confirmed, sent) }

    mutating func stage(_ count: Int) { staged &+= UInt64(count) }

    mutating func took(_ count: Int) { sent &+= UInt64(count) }

    /// A command is put on the wire.
    mutating func mark(_ ticket: ComPortClient.Ticket) {
        if marks.count >= Self.markLimit { marks.removeFirst() }
        marks.append((ticket, staged))
    }

    /// The server has answered a command: it has taken everything before that.
    mutating func answered(_ ticket: ComPortClient.Ticket) {
        guard let index = marks.firstIndex(where: { $0.ticket == ticket }) else { return }
        confirmed = max(confirmed, marks[index].position)
        marks.removeSubrange(...index)
    }

    /// The program has dropped its output: bytes sent are not its concern any more.
    /// - Parameter unsent: bytes that may still go out: a sender has them, or the first half of a doubled 0xFF is sent.
    mutating func flush(unsent: Int) {
        staged = sent &+ UInt64(unsent)
        confirmed = staged
        for index in marks.indices { marks[index].position = min(marks[index].position, staged) }
    }

    /// No sender has bytes any more: what is on the wire is what `dataCount` says.
    mutating func align(waiting: Int) {
        staged = sent &+ UInt64(waiting)
        confirmed = min(confirmed, staged)
        for index in marks.indices { marks[index].position = min(marks[index].position, staged) }
    }
}
