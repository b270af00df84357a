import RFC2217
import SerialLine
import Testing

@testable import VirtualTTY

/// What answers of the server say about the bytes before their commands.
@Suite struct DeliveryLogTests {
    /// So many commands without an answer are remembered.
    private static let limit: ComPortClient.Ticket = 256

    /// A log of this many commands, each behind one byte more.
    private func log(commands: ComPortClient.Ticket) -> DeliveryLog {
        var log = DeliveryLog()
        for ticket in 0..<commands {
            log.stage(1)
            log.ask(ticket, lineTime: 0, isExpected: true, now: MonotonicTime(nanoseconds: 1))
        }
        log.took(Int(commands))
        return log
    }

    @Test func theOldestOfManyCommandsIsForgotten() {
        var log = log(commands: Self.limit + 1)
        #expect(log.lost == 257)
        #expect(log.answered(0) == nil)
        #expect(log.lost == 257)
        #expect(log.answered(1)?.count == 2)
        #expect(log.lost == 255)
        #expect(log.isAnswerExpected)
        #expect(log.answered(256)?.count == 255)
        #expect(log.lost == 0)
        #expect(!log.isAnswerExpected)
    }

    @Test func allCommandsUpToTheLimitAreRemembered() {
        var log = log(commands: Self.limit)
        #expect(log.answered(0)?.count == 1)
        #expect(log.lost == 255)
    }

    /// A command whose answer is no longer expected holds nothing up, and still vouches if it is answered.
    @Test func anAnswerThatIsGivenUp() {
        var log = log(commands: 2)
        let given = [1, 1].map { log.gaveUp($0) }
        #expect(given == [true, false])
        #expect(log.isAnswerExpected)
        let last = log.gaveUp(0)
        #expect(last)
        #expect(!log.isAnswerExpected)
        #expect(log.unanswered == 2)
        #expect(log.answered(1)?.count == 2)
        #expect(!log.isAnswerExpected)
        #expect(log.unanswered == 0)
    }
}
