import Glibc
import LineDiscipline
import RFC2217
import SerialLine
import TestSupport
import Testing

@testable import VirtualTTY

/// How far output goes ahead of the line, and how busy it keeps the line: in the bench's time, against servers that
/// reckon each byte (`PacedLine`).
@Suite struct WriteWindowTests {
    /// One server, and what a program that writes without a pause sees of it.
    struct Run: CustomTestStringConvertible, Sendable {
        var baud: UInt32 = 115_200
        var buffer = 4096
        /// Milliseconds, times ten.
        var roundTrip: UInt64 = 2
        var slowness: UInt64 = 0
        var ignoresPurge = false
        var isAnswering = true

        var testDescription: String {
            "\(baud) baud, buffer \(buffer), round trip \(Double(roundTrip) / 10) ms"
                + (slowness > 0 ? ", \(slowness) % slow" : "") + (ignoresPurge ? ", ignores purges" : "")
                + (isAnswering ? "" : ", answers nothing")
        }
    }

    /// The figures of one run.
    struct Figures {
        /// Bytes on the line for each hundred that it could have sent.
        var busy = 0.0
        /// Bytes that were written and not on the line, at most; and those of them that had left the queue.
        var ahead = 0
        var sentAhead = 0
        /// Milliseconds from the line's real end to tcdrain's; from tcflush, and from a flow character's arrival at the
        /// far end, to silence.
        var drain = 0.0
        var flush = 0.0
        var stop = 0.0
    }

    private final class Writer {
        let port: PortBench
        let line: PacedLine
        var file: FileID
        private var pending: RequestID?
        var figures = Figures()
        private static let piece = [UInt8](repeating: 0x55, count: 16384)

        init(_ run: Run) throws {
            var profile = ServerProfile()
            if !run.isAnswering { profile.unanswered = Set(0...12) }
            line = PacedLine(
                buffer: run.buffer, roundTrip: run.roundTrip * .milliseconds(1) / 10, slowness: run.slowness,
                ignoresPurge: run.ignoresPurge, profile: profile)
            port = PortBench()
            port.line = line
            file = try port.openFile()
            try port.setRaw(file)
            try port.change(file) {
                $0.setBaud(run.baud)
                $0.iflag = [.IXON]
            }
            port.advance(.seconds(3))
        }

        /// Writes without a pause.
        func write(_ nanoseconds: UInt64) {
            let end = port.clock.now + nanoseconds
            let step = max(.milliseconds(2), 16 * line.frame)
            while port.clock.now < end {
                while pending.map({ port.outcome($0) != nil }) ?? true { pending = port.write(file, Self.piece) }
                look()
                port.advance(min(step, end.since(port.clock.now)))
            }
        }

        func look() {
            let onLine = line.onLine(port.clock.now)
            let ahead = Int(port.tty.transmission.accepted) - onLine
            figures.ahead = max(figures.ahead, ahead)
            figures.sentAhead = max(figures.sentAhead, ahead - port.tty.transmission.untransmitted)
        }

        func stopWriting() { if let pending, port.outcome(pending) == nil { port.interrupt(pending) } }

        /// Milliseconds until the line is silent.
        func silence() -> Double {
            let start = port.clock.now
            port.advance(.seconds(40))
            return Double(line.departures.last?.since(start) ?? 0) / 1e6
        }
    }

    private func measure(_ run: Run) throws -> Figures {
        let writer = try Writer(run)
        // Enough to fill the server's buffer, and to go on for a while.
        let frame = writer.line.frame
        let time = UInt64(run.buffer) * frame / 2 * 3 + max(2000 * frame, .milliseconds(1500))
        let begin = writer.port.clock.now
        writer.write(time)
        let end = writer.port.clock.now
        let first = writer.line.departures.first ?? end
        let could = Double(end.since(first) + writer.line.frame) / Double(writer.line.frame)
        writer.figures.busy = 100 * Double(writer.line.onLine(end)) / could
        if first.since(begin) > .seconds(1) { writer.figures.busy = 0 }
        writer.stopWriting()
        let drain = writer.port.ioctl(writer.file, .TCSBRK, value: 1)
        writer.port.advance(.seconds(UInt64(run.buffer + 8192) * 12 / UInt64(run.baud) + 30))
        let ended = try #require(writer.port.milliseconds(drain, since: begin))
        let last = try #require(writer.line.departures.last)
        writer.figures.drain = Double(ended) - Double(last.since(begin)) / 1e6
        let seen = writer.figures

        writer.write(time)
        writer.stopWriting()
        _ = writer.port.ioctl(writer.file, .TCFLSH, value: 1)
        let flush = writer.silence()

        writer.write(time)
        writer.port.arrive([0x13])
        let stop = writer.silence()
        var figures = seen
        figures.flush = flush
        figures.stop = stop
        writer.port.checkAnswers()
        return figures
    }

    /// All of them take minutes.
    private static let runs: [Run] =
        getenv("TTYNVT_FIGURES") != nil
        ? all
        : [
            Run(baud: 300, buffer: 0), Run(baud: 9600, roundTrip: 200), Run(), Run(buffer: 0, roundTrip: 200),
            Run(buffer: 0, roundTrip: 1500), Run(baud: 921_600, buffer: 20480), Run(baud: 921_600, roundTrip: 1500),
            Run(buffer: 0, slowness: 2), Run(slowness: 2), Run(ignoresPurge: true), Run(isAnswering: false),
        ]

    private static let all: [Run] =
        [300, 9600, 115_200, 921_600, 4_000_000].flatMap { (baud: UInt32) in
            [0, 4096, 20480, 65536].flatMap { buffer in
                [2, 200, 1500].map { Run(baud: baud, buffer: buffer, roundTrip: $0) }
            }
        }
        + [
            Run(slowness: 2), Run(buffer: 0, slowness: 2), Run(buffer: 0, roundTrip: 200, slowness: 2),
            Run(buffer: 65536, slowness: 2), Run(ignoresPurge: true), Run(roundTrip: 200, ignoresPurge: true),
            Run(isAnswering: false), Run(buffer: 0, roundTrip: 200, isAnswering: false),
        ]

    /// A window's bytes: what DESIGN allows ahead of the line, and what may be added by a byte at its edge.
    private func window(_ run: Run) -> Int {
        let roundTrip = Double(run.roundTrip) / 10
        return max(512, Int(Double(run.baud) / 10 * (50 + roundTrip) / 1000)) + 64
    }

    @Test(arguments: runs) func staysCloseToTheLine(_ run: Run) throws {
        let seen = try measure(run)
        let roundTrip = Double(run.roundTrip) / 10
        if getenv("TTYNVT_FIGURES") != nil {
            print(
                "\(run.testDescription): busy \(seen.busy) %, ahead \(seen.ahead), sent ahead \(seen.sentAhead) of "
                    + "\(window(run)), drain \(seen.drain) ms, flush \(seen.flush) ms, stop \(seen.stop) ms")
        }
        #expect(seen.busy >= 98)
        // An unknown server is offered 2 KiB, then a quarter more than it has taken, each a second of the line at most.
        let second = max(512, Int(run.baud) / 10)
        let first = min(WriteWindow.firstOffer, second) + 64
        #expect(seen.sentAhead <= max(window(run), first) + run.buffer + min(run.buffer / 4, second))
        #expect(seen.ahead <= seen.sentAhead + TransmitQueue.defaultCapacity)
        // The server's own buffer cannot be seen, if the line is slower than it says.
        let hidden = run.slowness == 0 ? 0 : Double(run.buffer) * 1e4 / Double(run.baud)
        // Without any answer the round trip is not known.
        #expect(seen.drain >= -2 - hidden - (run.isAnswering ? 0 : roundTrip / 2))
        #expect(seen.drain <= roundTrip + 2)
        let windowTime = Double(window(run)) * 1e4 / Double(run.baud)
        #expect(seen.flush <= windowTime + roundTrip)
        #expect(seen.stop <= windowTime + 2 * roundTrip + 5 + hidden)
    }
}
