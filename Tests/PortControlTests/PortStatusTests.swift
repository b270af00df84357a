import SerialLine
import TestSupport
import Testing

@testable import PortControl

/// A status as text and back.
@Suite struct PortStatusTests {
    private static func random(_ random: inout SplitMix64) throws -> PortStatus {
        func text() -> String { String(decoding: random.bytes(random.below(40)), as: UTF8.self) }
        func number() -> UInt64 { random.next() >> UInt64(random.below(64)) }
        var status = PortStatus(name: try DeviceName("ttyX\(random.below(1000))-com1"))
        status.major = UInt32(truncatingIfNeeded: number())
        status.minor = UInt32(truncatingIfNeeded: number())
        status.pid = Int32(truncatingIfNeeded: number() >> 33)
        status.servers = (0..<random.below(4)).map { index in
            Endpoint(host: random.pick(["fe80::1%eth0", "box.local", "192.0.2.7"]), port: UInt16(index + 1))
        }
        status.peer = random.pick([nil, "192.0.2.7:10000"])
        status.link = random.pick(LinkState.allCases)
        status.since = Int64(truncatingIfNeeded: number())
        status.started = Int64(truncatingIfNeeded: number())
        status.settings = random.pick(["115200 8N1", "9600 7E1.5 RTS/CTS"])
        status.outputs = random.pick([[], [.dtr], [.dtr, .rts]])
        status.inputs = random.pick([[], [.cts, .dsr], [.dcd, .ri]])
        status.received = number()
        status.transmitted = number()
        status.errors.framing = number()
        status.errors.parity = number()
        status.errors.overrun = number()
        status.errors.breaks = number()
        status.errors.bufferOverrun = number()
        status.reconnects = number()
        status.openers = (0..<random.below(5)).map { Int32($0) * 100 }
        status.isRetiring = random.below(2) == 0
        status.options = (0..<random.below(5)).map { _ in text() }
        if random.below(2) == 0 { status.lastError = PortStatus.Fault("no route: \(random.below(9))", at: 5) }
        return status
    }

    @Test func everyStatusComesBack() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let status = try Self.random(&random)
            #expect(try PortStatus(parsing: Array(status.text.utf8)) == status)
        }
    }

    @Test func everyTruncationIsNoticed() throws {
        var random = SplitMix64(seed: 2)
        let bytes = Array(try Self.random(&random).text.utf8)
        for count in 0..<bytes.count {
            #expect(throws: StatusTextError.truncated) { try PortStatus(parsing: Array(bytes[..<count])) }
        }
    }

    @Test func unknownKeysArePassedOver() throws {
        let text = "name ttyX1\nnewer thing\nlink connected\nnothing\nend\n"
        let status = try PortStatus(parsing: Array(text.utf8))
        #expect(status.name.description == "ttyX1")
        #expect(status.link == .connected)
    }

    @Test(arguments: [
        "name ttyX1\nmajor x\nend\n", "name ttyX1\nlink gone\nend\n", "name ttyX1\nservers nowhere\nend\n",
        "name ttyX1\nopeners 1 x\nend\n", "name ../x\nend\n", "major 1\nend\n", "name ttyX1\noutputs DTR XYZ\nend\n",
        "name ttyX1\noptions %4\nend\n", "name ttyX1\nretiring perhaps\nend\n", "name ttyX1\npid 99999999999\nend\n",
    ])
    func aValueThatIsNoneIsAnError(_ text: String) {
        #expect(throws: StatusTextError.self) { try PortStatus(parsing: Array(text.utf8)) }
    }

    @Test func whatIsTooLongIsAnError() {
        let text = "name ttyX1\nx " + String(repeating: "x", count: 65536) + "\nend\n"
        #expect(throws: StatusTextError.tooLong) { try PortStatus(parsing: Array(text.utf8)) }
    }

    @Test func noiseIsAnErrorAndNoMore() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<5000 {
            var bytes = random.bytes(random.below(300))
            if random.below(2) == 0 { bytes += Array("\nend\n".utf8) }
            #expect(throws: StatusTextError.self) { try PortStatus(parsing: bytes) }
        }
    }

    @Test func theLongestStatusFits() throws {
        var status = PortStatus(name: try DeviceName("tty" + String(repeating: "x", count: 61)))
        status.servers = (1...16).map { Endpoint(host: String(repeating: "h", count: 255), port: $0) }
        status.openers = [Int32](repeating: Int32.max, count: 100_000)
        status.options = [String](repeating: String(repeating: "ö", count: 1000), count: 1000)
        status.lastError = PortStatus.Fault(String(repeating: "e\n", count: 10000), at: .max)
        #expect(status.text.utf8.count <= PortControl.longestReply)
        #expect(try PortStatus(parsing: Array(status.text.utf8)).openers.count == PortStatus.mostOpeners)
    }

    @Test func controlCharactersDoNotMakeLines() throws {
        var status = PortStatus(name: try DeviceName("ttyX1"))
        status.lastError = PortStatus.Fault("it said\nlink connected\u{1B}[2J", at: 1)
        let back = try PortStatus(parsing: Array(status.text.utf8))
        #expect(back.link == .idle)
        #expect(back.lastError?.text == "it said\\x0alink connected\\x1b[2J")
    }
}
