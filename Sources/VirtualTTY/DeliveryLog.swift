import RFC2217
import SerialLine

/// The fate of the data bytes of one connection: the number that the socket took, and the position up to which the
/// server has answered a command behind them. Bytes behind the last answered command are lost if the connection ends.
struct DeliveryLog: Sendable {
    /// A command without an answer.
    struct Question: Sendable {
        let ticket: ComPortClient.Ticket
        /// The bytes that were put on the wire before it.
        fileprivate(set) var position: UInt64
        /// When it was put on the wire.
        let askedAt: MonotonicTime
        /// The time that the line then needed for all bytes before it, in nanoseconds, by the clock.
        let lineTime: UInt64
        /// The server is known to answer such commands, and was given enough time.
        fileprivate(set) var isExpected: Bool
    }

    /// Bytes put on the wire, and bytes the socket took.
    private var staged: UInt64 = 0
    private(set) var sent: UInt64 = 0
    /// Bytes before the last answered command.
    private var confirmed: UInt64 = 0
    /// The commands without an answer, in order.
    private var questions: [Question] = []
    private var expected = 0
    /// Bytes put on the wire since the last expected question.
    private(set) var sinceQuestion = 0
    /// Questions remembered at most; the oldest are forgotten.
    private static let questionLimit = 256

    /// Bytes that are lost if the connection ends now.
    var lost: UInt64 { sent - min(confirmed, sent) }
    /// Bytes put on the wire behind the last answered command.
    var unanswered: Int { Int(clamping: staged - min(confirmed, staged)) }
    /// An answer is expected: all bytes before its command count as not on the line.
    var isAnswerExpected: Bool { expected > 0 }

    mutating func stage(_ count: Int) {
        staged &+= UInt64(count)
        sinceQuestion += count
    }

    mutating func took(_ count: Int) { sent &+= UInt64(count) }

    /// A command is put on the wire.
    mutating func ask(_ ticket: ComPortClient.Ticket, lineTime: UInt64, isExpected: Bool, now: MonotonicTime) {
        if questions.count >= Self.questionLimit { drop(questions.startIndex) }
        questions.append(
            Question(
                ticket: ticket, position: staged, askedAt: now, lineTime: lineTime, isExpected: isExpected))
        guard isExpected else { return }
        expected += 1
        sinceQuestion = 0
    }

    private mutating func drop(_ index: Int) { if questions.remove(at: index).isExpected { expected -= 1 } }

    /// The server has answered a command, so it has taken everything before that command.
    /// - Returns: the question, and the number of bytes that this answer confirms for the first time; nil if the
    ///   question is unknown.
    mutating func answered(_ ticket: ComPortClient.Ticket) -> (question: Question, count: Int)? {
        guard let index = questions.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        let question = questions[index]
        let count = Int(clamping: question.position - min(confirmed, question.position))
        confirmed = max(confirmed, question.position)
        for earlier in questions[...index] where earlier.isExpected { expected -= 1 }
        questions.removeSubrange(...index)
        return (question, count)
    }

    /// The server has not answered a command in its time.
    /// - Returns: was an answer expected?
    mutating func gaveUp(_ ticket: ComPortClient.Ticket) -> Bool {
        guard let index = questions.firstIndex(where: { $0.ticket == ticket }), questions[index].isExpected else {
            return false
        }
        questions[index].isExpected = false
        expected -= 1
        return true
    }

    /// The program has dropped its output: bytes already sent no longer count as lost.
    /// - Parameter unsent: bytes that may still be sent: a sender has them, or the first half of a doubled 0xFF is
    ///   sent.
    mutating func flush(unsent: Int) {
        confirmed = sent &+ UInt64(unsent)
        setStaged(confirmed)
    }

    /// No sender holds bytes: `waiting` is the number of data bytes on the wire.
    mutating func align(waiting: Int) {
        setStaged(sent &+ UInt64(waiting))
        confirmed = min(confirmed, staged)
    }

    private mutating func setStaged(_ count: UInt64) {
        staged = count
        for index in questions.indices { questions[index].position = min(questions[index].position, staged) }
        sinceQuestion = min(sinceQuestion, unanswered)
    }
}
