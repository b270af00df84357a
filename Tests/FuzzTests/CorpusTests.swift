import FuzzTargets
import Glibc
import Platform
import TestSupport
import Testing

/// The corpora of the fuzzers, played without libFuzzer: each file as it is, and damaged copies of it.
@Suite struct CorpusTests {
    /// Damaged copies of each file.
    private static let copies = 10

    private static let directory =
        #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fuzz/Corpus"

    private static func files(of target: FuzzTarget) -> [String] {
        guard let handle = opendir("\(directory)/\(target.name)") else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    @Test(arguments: FuzzTarget.all.map(\.name)) func corpus(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let files = Self.files(of: target)
        #expect(!files.isEmpty, "no corpus")
        var random = SplitMix64(seed: 2217)
        for file in files {
            let bytes = try FileSystem.contents(of: "\(Self.directory)/\(name)/\(file)")
            if let violation = target.violation(bytes) { Issue.record("\(file): \(violation)") }
            for copy in 0..<Self.copies {
                let damaged = random.damaged(bytes)
                if let violation = target.violation(damaged) {
                    Issue.record("\(file), copy \(copy): \(violation): \(damaged)")
                    break
                }
            }
        }
    }
}

extension SplitMix64 {
    /// Bytes changed, lost, doubled, moved, cut off.
    fileprivate mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...below(4) where !bytes.isEmpty {
            let place = below(bytes.count)
            switch below(6) {
            case 0: bytes[place] = byte()
            case 1: bytes[place] ^= 1 << UInt8(below(8))
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(bytes[place], at: place)
            case 4:
                bytes.insert(contentsOf: bytes[place..<min(place + 1 + below(8), bytes.count)], at: below(bytes.count))
            default: if below(4) == 0 { bytes.removeLast(bytes.count - place) }
            }
        }
        return bytes
    }
}
