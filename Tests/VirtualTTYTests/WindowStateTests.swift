import LineDiscipline
import RFC2217
import SerialLine
import TestSupport
import Testing

@testable import VirtualTTY

/// What opens and shuts the write window: answers that come, get lost or are never given, servers without a line, and
/// output that is held.
@Suite struct WindowStateTests {
    private static let question = ComPortCommand.setModemStateMask(ModemState(rawValue: 255))

    private func questions(_ port: PortBench) -> Int {
        port.server?.commands.count { $0 == Self.question } ?? 0
    }

    private func fill(_ port: PortBench, _ file: FileID, _ count: Int = 20_000) {
        _ = port.write(file, [UInt8](repeating: 1, count: count))
    }

    @Test func questionsStandBetweenTheBytes() throws {
        try withPort { port in
            let file = try port.openRaw()
            fill(port, file, 900)
            let pieces = port.server?.heard.map { if case .data(let bytes) = $0 { bytes.count } else { 0 } }
            #expect(pieces == [256, 0, 256, 0, 256, 0, 132])
        }
    }

    @Test func fewBytesAreAskedNothing() throws {
        try withPort { port in
            let file = try port.openRaw()
            fill(port, file, 255)
            port.advance(.seconds(10))
            #expect(port.server?.commands == [])
            #expect(port.tty.remote.client.nextDeadline == nil)
        }
    }

    /// An answer that got lost holds output up until the question is asked once more.
    @Test func aLostAnswerIsAskedForAgain() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            fill(port, file)
            #expect(port.server?.data.count == 960)
            #expect(questions(port) == 3)
            port.isMute = false
            port.advance(.milliseconds(1900))
            #expect(questions(port) == 3)
            port.advance(.milliseconds(1000))
            #expect(questions(port) > 3)
            #expect(port.server.map { $0.data.count > 960 } == true)
        }
    }

    /// A server that answers no longer: after ten seconds and the line's time the clock alone rules.
    @Test func aServerThatFallsSilent() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            fill(port, file)
            port.advance(.seconds(10))
            #expect(port.server?.data.count == 960)
            port.advance(.seconds(6))
            let count = port.server?.data.count ?? 0
            #expect(count > 960 + 960 && count < 960 + 7 * 960)
        }
    }

    /// A server that answers nothing is fed by the clock, which the log says once.
    @Test func aServerThatAnswersNothing() throws {
        try withPort { port in
            port.profile.unanswered = Set(0...12)
            let file = try port.openRaw()
            fill(port, file)
            port.advance(.milliseconds(900))
            #expect(!port.log.contains { $0.contains("--ahead") })
            port.advance(.seconds(4))
            #expect(port.log.count { $0.contains("answers no command") && $0.contains("9600 baud") } == 1)
            let count = port.server?.data.count ?? 0
            #expect(abs(count - (512 + 4900 * 96 / 100)) < 200)
        }
    }

    @Test func withoutALimitNothingIsAsked() throws {
        try withPort({ $0.ahead = .unlimited }) { port in
            let file = try port.openRaw()
            fill(port, file, 300_000)
            #expect(port.server?.data.count == 300_000)
            #expect(port.server?.commands == [])
        }
    }

    /// A server without a line shows that at once, and it is remembered for its address.
    @Test func aServerWithoutALine() throws {
        try withPort { port in
            let file = try port.openRaw()
            fill(port, file, 300_000)
            #expect(port.server?.data.count == 300_000)
            #expect(port.tty.transmission.window.pacing == .unpaced)
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.outcome(drain) == .ioctl([]))
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up)
            #expect(port.tty.transmission.window.pacing == .unpaced)
        }
    }

    /// A very large buffer looks like no line, until it is full: then answers come late, and the clock rules again.
    @Test func lateAnswersTakeItBack() throws {
        let port = PortBench()
        let line = PacedLine(buffer: 200_000, roundTrip: .milliseconds(1))
        port.line = line
        let file = try port.openFile()
        try port.setRaw(file)
        try port.change(file) { $0.setBaud(115_200) }
        fill(port, file, 400_000)
        port.advance(.milliseconds(500))
        #expect(port.tty.transmission.window.pacing == .unpaced)
        port.advance(.seconds(8))
        #expect(port.tty.transmission.window.pacing == .paced)
    }

    /// Messages with pauses between them: their answers are late for the network's reasons, whatever the line does.
    @Test(arguments: [(300, 200), (30, 30), (1, 2)] as [(Int, UInt64)])
    func lateAnswersToFewBytesShowNoLine(_ bytes: Int, _ pause: UInt64) throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.setBaud(115_200) }
            port.delay = .milliseconds(5)
            for _ in 0..<6000 / bytes {
                fill(port, file, bytes)
                port.advance(.milliseconds(pause))
            }
            #expect(port.tty.transmission.window.pacing == .unknown)
        }
    }

    /// CTS low under CRTSCTS: the line sends nothing, however long.
    @Test func theClockStandsStillWhileOutputIsHeld() throws {
        try withPort { port in
            port.inputs = [.cts]
            let file = try port.openFile()
            try port.setRaw(file)
            try port.change(file) { $0.cflag.insert(.CRTSCTS) }
            port.far { $0.setLines([.cts], now: port.clock.now) }
            fill(port, file, 96)
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.milliseconds(50))
            port.far { $0.setLines([], now: port.clock.now) }
            let left = try port.number(file, .TIOCOUTQ)
            port.advance(.seconds(30))
            try #expect(port.number(file, .TIOCOUTQ) == left)
            #expect(port.outcome(drain) == nil)
            port.far { $0.setLines([.cts], now: port.clock.now) }
            port.advance(.milliseconds(40))
            #expect(port.outcome(drain) == nil)
            port.advance(.milliseconds(20))
            #expect(port.outcome(drain) == .ioctl([]))
        }
    }

    /// Sent bytes count as dropped if the server answers the purge; otherwise the line may still send them.
    @Test(arguments: [true, false]) func aFlushReachesTheLine(_ isAnswered: Bool) throws {
        try withPort { port in
            if !isAnswered { port.profile.unanswered = [12] }
            let file = try port.openRaw()
            fill(port, file, 480)
            port.advance(.milliseconds(100))
            _ = port.ioctl(file, .TCFLSH, value: 1)
            try #expect(port.number(file, .TIOCOUTQ) == (isAnswered ? 0 : 384))
        }
    }

    /// A break is no hold: a program may drain before it ends its own break.
    @Test func aBreakHoldsNoDrain() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSBRK)
            fill(port, file, 96)
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.milliseconds(110))
            #expect(port.outcome(drain) == .ioctl([]))
        }
    }
}
