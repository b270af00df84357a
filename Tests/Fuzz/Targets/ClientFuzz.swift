import RFC2217
import SerialLine

/// The client's role: a hostile server's bytes between requests of ours, while time passes. Two clients get the same
/// bytes, one in pieces. Both say the same, every ticket is settled once, and no server makes the client say much.
enum ClientFuzz {
    private static let requests: [@Sendable (UInt8) -> ComPortCommand] = [
        { .setBaudRate(UInt32($0) * 300) }, { .setDataSize($0) }, { .setParity($0) }, { .setStopSize($0) },
        { .setControl(ControlValue(rawValue: $0)) }, { .setLineStateMask(LineState(rawValue: $0)) },
        { .setModemStateMask(ModemState(rawValue: $0)) }, { .purgeData($0) }, { _ in .signature([]) },
    ]

    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            var feed = Feed(bytes)
            let length = Int(feed.byte() & 0x1F) + 1
            var whole = Run(), cut = Run()
            while !feed.isEmpty {
                switch feed.byte() {
                case 0..<0x80:
                    let piece = feed.piece()
                    try whole.receive([piece])
                    try cut.receive(piece.pieces(of: length))
                case 0x80..<0xD0:
                    let command = feed.pick(requests)(feed.byte())
                    whole.ask(command)
                    cut.ask(command)
                default:
                    let pause = UInt64(feed.byte()) * .milliseconds(10)
                    try whole.pass(pause)
                    try cut.pass(pause)
                }
                try Violation.unless(whole == cut, "pieces of \(length) are taken differently")
            }
            try whole.end()
            try survey(bytes)
        }
    }

    /// What `probe` makes of a server: it ends, whatever comes.
    private static func survey(_ bytes: [UInt8]) throws(Violation) {
        var survey = ServerSurvey(now: MonotonicTime(nanoseconds: 0), patience: .seconds(1))
        for piece in bytes.pieces(of: 64) {
            survey.receive(piece.span, now: MonotonicTime(nanoseconds: .milliseconds(10)))
        }
        for _ in 0..<100 {
            guard let deadline = survey.deadline else { break }
            survey.advance(now: deadline)
        }
        try Violation.unless(survey.isDone && survey.deadline == nil, "a survey without an end")
        try Violation.unless(survey.output.count < 100_000, "the survey says \(survey.output.count) bytes")
    }

    /// One client, and what came of it.
    private struct Run: Equatable {
        private var client = ComPortClient(traces: true)
        private var now = MonotonicTime(nanoseconds: 1)
        private var lastTicket: UInt64 = 0
        private var open: Set<UInt64> = []
        private var data: [UInt8] = []
        private var events: [ComPortClient.Event] = []
        private var said: [UInt8] = []

        init() { takeOutput() }

        static func == (a: Run, b: Run) -> Bool {
            a.data == b.data && a.events == b.events && a.said == b.said && a.open == b.open
                && a.client.isActive == b.client.isActive && a.client.answered == b.client.answered
                && a.client.unanswered == b.client.unanswered && a.client.heard == b.client.heard
                && a.client.nextDeadline == b.client.nextDeadline
        }

        private mutating func takeOutput() {
            said += client.output
            client.output.removeAll()
            client.trace.removeAll()
        }

        mutating func receive(_ chunks: [[UInt8]]) throws(Violation) {
            for chunk in chunks { try receive(chunk) }
        }

        private mutating func receive(_ chunk: [UInt8]) throws(Violation) {
            let span = chunk.span
            var offset = 0
            let moment = now
            let before = said.count
            while let event = client.next(span, &offset, now: { moment }) {
                switch event {
                case .data(let range):
                    try Violation.unless(!range.isEmpty && range.upperBound <= chunk.count, "data \(range)")
                    data += chunk[range]
                case .answered(_, let ticket):
                    if let ticket { try settle(ticket) }
                    events.append(event)
                default: events.append(event)
                }
            }
            try Violation.unless(offset == chunk.count, "stopped at \(offset) of \(chunk.count)")
            takeOutput()
            // SIGNATURE, 6 bytes at least, is answered with 18.
            try Violation.unless(
                said.count - before <= 6 * (chunk.count + 6), "\(said.count - before) bytes to \(chunk.count)")
            try Violation.unless(client.heard.count <= 64, "holds \(client.heard.count) bytes")
        }

        mutating func ask(_ command: ComPortCommand) {
            lastTicket += 1
            if command.answerKind != nil { open.insert(lastTicket) }
            client.encode(command, ticket: lastTicket, now: now, to: &said)
        }

        mutating func pass(_ pause: UInt64) throws(Violation) {
            now = now + pause
            for ticket in client.expire(now) { try settle(ticket) }
            takeOutput()
        }

        mutating func end() throws(Violation) {
            try pass(.seconds(3600))
            try Violation.unless(open.isEmpty, "\(open.count) requests are never settled")
            try Violation.unless(client.nextDeadline == nil, "a deadline without a request")
        }

        private mutating func settle(_ ticket: UInt64) throws(Violation) {
            try Violation.unless(open.remove(ticket) != nil, "ticket \(ticket) is settled, and does not wait")
        }
    }
}
