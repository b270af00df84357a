import RFC2217
import SerialLine

/// The server's role, with each quirk: a hostile client's bytes between events of the line. Every event lies within
/// the input, and the standard's server takes pieces as it takes the whole.
enum ServerFuzz {
    private static let profiles = [ServerProfile()] + ServerQuirk.allCases.map { ServerProfile([$0]) }

    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            var feed = Feed(bytes)
            let index = Int(feed.byte()) % profiles.count
            let length = index == 0 ? Int(feed.byte() & 0x1F) + 1 : 256
            var whole = Run(profiles[index]), cut = Run(profiles[index])
            while !feed.isEmpty {
                let choice = feed.byte()
                switch choice {
                case 0..<0xC0:
                    let piece = feed.piece()
                    try whole.receive([piece])
                    try cut.receive(piece.pieces(of: length))
                default:
                    let value = feed.byte()
                    whole.line(choice, value)
                    cut.line(choice, value)
                }
                try Violation.unless(whole == cut, "pieces of \(length) are taken differently")
            }
        }
    }

    private struct Run: Equatable {
        private var server: ComPortServer
        private var now = MonotonicTime(nanoseconds: 1)
        private var data: [UInt8] = []
        private var events: [ComPortServerEvent] = []
        private var said: [UInt8] = []

        init(_ profile: ServerProfile) {
            server = ComPortServer(profile, now: now)
            server.open(&said)
        }

        static func == (a: Run, b: Run) -> Bool {
            a.data == b.data && a.events == b.events && a.said == b.said && a.server.port == b.server.port
                && a.server.isActive == b.server.isActive && a.server.deadline == b.server.deadline
        }

        mutating func receive(_ chunks: [[UInt8]]) throws(Violation) {
            // recv(2) never gives nothing: that is the end.
            for chunk in chunks where !chunk.isEmpty { try receive(chunk) }
        }

        private mutating func receive(_ chunk: [UInt8]) throws(Violation) {
            let span = chunk.span
            var offset = 0
            var end = 0
            let before = said.count
            while let event = server.next(span, &offset, now: now, &said) {
                switch event {
                case .data(let range):
                    try Violation.unless(
                        !range.isEmpty && range.lowerBound >= end && range.upperBound <= chunk.count, "data \(range)")
                    end = range.upperBound
                    data += chunk[range]
                case .request(let request):
                    server.port.apply(request)
                    server.answer(request, succeeded: data.count % 3 > 0, &said)
                    events.append(event)
                default: events.append(event)
                }
            }
            try Violation.unless(offset == chunk.count, "stopped at \(offset) of \(chunk.count)")
            // SIGNATURE, 6 bytes at least, is answered with the server's own name.
            try Violation.unless(
                said.count - before <= 16 * (chunk.count + 8), "\(said.count - before) bytes to \(chunk.count)")
        }

        /// Something happens on the line, or time passes.
        mutating func line(_ choice: UInt8, _ value: UInt8) {
            switch choice % 5 {
            case 0: _ = server.notify(LineState(rawValue: value), &said)
            case 1: server.setInputs(ModemLines(rawValue: UInt32(value) << 5), now: now, &said)
            case 2: server.appendData([value, 0xFF, value].span, &said)
            case 3: server.holdClient(value & 1 == 1, &said)
            default:
                now = now + UInt64(value) * .milliseconds(10)
                server.expire(now: now, &said)
            }
        }
    }
}
