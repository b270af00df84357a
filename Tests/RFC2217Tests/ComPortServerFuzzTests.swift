import RFC2217
import SerialLine
import TestSupport
import Testing

@Suite struct ComPortServerFuzzTests {
    /// Bytes that mean something, so that random sequences get somewhere.
    private static let words: [UInt8] = [255, 250, 240, 251, 252, 253, 254, 243, 44, 0, 1, 2, 3, 5, 8, 10, 11, 12, 20]

    @Test func randomBytesNeverTrap() {
        var random = SplitMix64(seed: 2217)
        var profiles = ServerQuirk.allCases.map { ServerProfile([$0]) }
        profiles.append(ServerProfile())
        for round in 0..<200_000 {
            var server = ComPortServer(profiles[round % profiles.count], now: MonotonicTime(nanoseconds: 0))
            var output: [UInt8] = []
            server.open(&output)
            if round % 2 == 0 { feed(&server, will(44), &output) }
            for _ in 0..<3 {
                let count = Int(random.next() % 24)
                var bytes: [UInt8] = []
                for _ in 0..<count {
                    let value = random.next()
                    bytes.append(
                        value & 0x300 == 0
                            ? UInt8(truncatingIfNeeded: value) : Self.words[Int(value >> 16) % Self.words.count])
                }
                feed(&server, bytes, &output)
            }
            server.expire(now: MonotonicTime(nanoseconds: .max), &output)
            #expect(output.count < 8192)
        }
    }

    /// Checks that each event lies within the input, and that the input is used up.
    private func feed(_ server: inout ComPortServer, _ bytes: [UInt8], _ output: inout [UInt8]) {
        let span = bytes.span
        var offset = 0
        var end = 0
        while let event = server.next(span, &offset, now: MonotonicTime(nanoseconds: 1), &output) {
            switch event {
            case .data(let range):
                if range.isEmpty || range.lowerBound < end || range.upperBound > bytes.count {
                    Issue.record("\(range)")
                }
                end = range.upperBound
            case .request(let request):
                server.port.apply(request)
                server.answer(request, succeeded: bytes.count % 2 == 0, &output)
            default: break
            }
        }
        if offset != bytes.count { Issue.record("\(offset) of \(bytes.count) bytes used") }
        _ = server.notify([.parity, .breakDetected], &output)
        server.setInputs(ModemLines(rawValue: UInt32(bytes.count) << 5), now: MonotonicTime(nanoseconds: 2), &output)
        server.appendData(span, &output)
    }
}
