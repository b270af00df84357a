import RFC2217
import SerialLine
import TestSupport
import Testing

@Suite struct StreamPropertyTests {
    static let seeds: [UInt64] = [1, 2217, 0xC0FF_EE00]

    /// A random command → payload → subnegotiation → decoder → the same command.
    @Test(arguments: seeds) func commandsSurviveTheWire(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for turn in 0..<5_000 {
            let role = turn % 2 == 0 ? ComPortRole.client : .server
            let command = random.command(from: role)
            var stream: [UInt8] = []
            stream.appendComPort(command, from: role)
            let (elements, violation) = StreamReader.elements(of: [stream])
            let read: ComPortCommand?
            if case .subnegotiation(.comPort, let payload)? = elements.first, elements.count == 1 {
                read = ComPortCommand(payload: payload, from: role)
            } else {
                read = nil
            }
            guard violation == nil, read == command else {
                Issue.record("seed \(seed), turn \(turn): \(command) as \(hex(stream)) read as \(elements)")
                return
            }
        }
    }

    /// Well-formed streams read as exactly what was written, in one piece and in pieces.
    @Test(arguments: seeds) func streamsReadAsWritten(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for turn in 0..<2_000 {
            let (bytes, expected) = random.stream(elements: 1 + random.below(10))
            let places = (0..<random.below(6)).map { _ in random.below(bytes.count + 1) }
            let (elements, violation) = StreamReader.elements(of: bytes.split(at: places))
            guard violation == nil, elements == expected else {
                Issue.record("seed \(seed), turn \(turn), cut at \(places): \(hex(bytes)) read as \(elements)")
                return
            }
        }
    }

    /// A stream, whole or damaged, reads the same wherever it is cut in two, and byte by byte.
    @Test(arguments: seeds) func anySplitReadsTheSame(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for turn in 0..<200 {
            var bytes = random.stream(elements: 1 + random.below(6)).bytes
            if turn % 2 == 1 { random.mutate(&bytes) }
            let whole = StreamReader.elements(of: [bytes]).elements
            let cuts = bytes.indices.map { [$0] } + [Array(bytes.indices)]
            for cut in cuts {
                let (elements, violation) = StreamReader.elements(of: bytes.split(at: cut))
                guard violation == nil, elements == whole else {
                    Issue.record("seed \(seed), turn \(turn), cut at \(cut): \(hex(bytes)), \(violation ?? "")")
                    return
                }
            }
        }
    }

    /// Damaged streams cut at several places at once.
    @Test(arguments: seeds) func anySplitsReadTheSame(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for turn in 0..<3_000 {
            var bytes = random.stream(elements: 1 + random.below(8)).bytes
            random.mutate(&bytes)
            let places = (0..<(2 + random.below(8))).map { _ in random.below(bytes.count + 1) }
            let whole = StreamReader.elements(of: [bytes]).elements
            let (elements, violation) = StreamReader.elements(of: bytes.split(at: places))
            guard violation == nil, elements == whole else {
                Issue.record("seed \(seed), turn \(turn), cut at \(places): \(hex(bytes)), \(violation ?? "")")
                return
            }
        }
    }
}
