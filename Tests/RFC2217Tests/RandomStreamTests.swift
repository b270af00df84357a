import RFC2217
import TestSupport
import Testing

/// What the sequences of a run are made of.
enum RandomMix: String, CaseIterable, Sendable, Codable {
    /// Any byte as likely as another.
    case uniform
    /// Telnet's and COM-PORT-OPTION's own bytes above all.
    case iacHeavy
    /// Well-formed streams with damage done to them.
    case damaged

    private static let telling: [UInt8] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0xFA, 0xFA, 0xF0, 0xF0, 0xFB, 0xFC, 0xFD, 0xFE, 44, 44, 0, 1, 100, 101, 107, 8,
    ]

    func sequence(_ random: inout SplitMix64) -> [UInt8] {
        switch self {
        case .uniform: return bytes(&random) { $0.byte() }
        case .iacHeavy:
            return bytes(&random) { random in
                random.below(4) == 0 ? random.byte() : Self.telling[random.below(Self.telling.count)]
            }
        case .damaged:
            var (bytes, _) = random.stream(elements: 1 + random.below(2))
            random.mutate(&bytes)
            return bytes
        }
    }

    private func bytes(_ random: inout SplitMix64, _ byte: (inout SplitMix64) -> UInt8) -> [UInt8] {
        // Chance alone seldom opens a subnegotiation, so every other sequence starts with one.
        var bytes: [UInt8] = random.below(2) == 0 ? [] : [0xFF, 0xFA, 44]
        for _ in 0..<random.below(24) { bytes.append(byte(&random)) }
        return bytes
    }
}

@Suite struct RandomStreamTests {
    /// A million sequences through the decoder and the command reader, a hundred in a row through one decoder, so
    /// that they meet it in every state. In a process of their own: a trap fails this test, and the seed is named.
    @Test(arguments: RandomMix.allCases, [1, 2] as [UInt64])
    func aMillionSequences(_ mix: RandomMix, _ seed: UInt64) async {
        await #expect(processExitsWith: .success, "\(mix), seed \(seed)") { [mix, seed] in
            var random = SplitMix64(seed: seed)
            for run in 0..<1_700 {
                var reader = StreamReader()
                for turn in 0..<100 {
                    let sequence = mix.sequence(&random)
                    reader.read(sequence)
                    if let violation = reader.violation {
                        Issue.record("\(mix), seed \(seed), \(run)/\(turn): \(hex(sequence)): \(violation)")
                        return
                    }
                }
            }
        }
    }
}
