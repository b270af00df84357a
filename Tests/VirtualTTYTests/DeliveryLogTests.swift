import RFC2217
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
            log.mark(ticket)
        }
        log.took(Int(commands))
        return log
    }

    @Test func theOldestOfManyCommandsIsForgotten() {
        var log = log(commands: Self.limit + 1)
        #expect(log.lost == 257)
        log.answered(0)
        #expect(log.lost == 257)
        log.answered(1)
        #expect(log.lost == 255)
        log.answered(256)
        #expect(log.lost == 0)
    }

    @Test func allCommandsUpToTheLimitAreRemembered() {
        var log = log(commands: Self.limit)
        log.answered(0)
        #expect(log.lost == 255)
    }
}
