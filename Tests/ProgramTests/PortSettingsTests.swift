import ArgumentParser
import TestSupport
import Testing

@testable import ttynvt_swift

/// A port's command line has two readers: whatever the quick one takes, the argument parser takes, and means the same.
@Suite struct PortSettingsTests {
    private static let base = ["-S", "localhost:1", "-n", "ttyX"]

    /// Every option, with a value that is not its default.
    private static let options: [[String]] = [
        ["-f"], ["-E"], ["--check"], ["--kernel-ldisc"], ["-S", "a:1,b:2"], ["--server=c:3"], ["-n", "ttyY"],
        ["--name=/dev/ttyZ"], ["-M", "199"], ["--major", "7"], ["-m", "3"], ["--minor=4"], ["-D", "5"], ["--debug=0"],
        ["--supervised", "me"], ["--group", "uucp"], ["--owner=games"], ["--mode", "600"], ["--user=nobody"],
        ["--connect", "always"], ["--linger", "2.5"], ["--connect-timeout=0.25"], ["--loss-timeout", "never"],
        ["--loss-timeout=0"], ["--dead-after", "7"], ["--ahead", "unlimited"], ["--ahead=256"], ["--dtr-rts", "leave"],
        ["--settings=async"],
        ["--rs485-codes", "30,31"],
    ]

    /// Words that one of the readers, or both, might stumble over.
    private static let oddities: [[String]] = [
        ["--linger", "-1"], ["--linger=-1"], ["--linger", "nan"], ["--linger=inf"], ["--linger", "86400"],
        ["--linger=86401"], ["--linger", ""], ["--dead-after", "0"], ["--dead-after=3601"], ["--dead-after", "1.5"],
        ["--ahead", "255"], ["--ahead=1048577"], ["--ahead", "all"], ["--ahead=+300"],
        ["--loss-timeout", "soon"], ["--loss-timeout=-1"], ["--rs485-codes", "1"], ["--rs485-codes", "1,1"],
        ["--connect", "sometimes"], ["--connect="], ["--settings", "Sync"], ["--mode", "+60"], ["--mode", "1000"],
        ["-M", "4294967296"], ["-M", "-1"], ["-m=3"], ["-m3"], ["--minor", "+3"], ["--minor", "0x3"], ["-D", "-5"],
        ["--check=yes"], ["-fE"], ["--"], ["word"], [""], ["-"], ["--help"], ["-h"], ["--version"], ["--user"],
        ["--user", "-E"], ["--user", "--check"], ["--name="], ["-n", ""], ["--NAME", "x"], ["-server", "x:1"],
        ["--unknown", "1"], ["--linger", " 1"], ["--debug", "1_0"],
    ]

    private func parsed(_ arguments: [String]) -> String? {
        (try? PortCommand.parse(arguments)).map { "\($0.settings)" }
    }

    private func read(_ arguments: [String]) -> String? { PortSettings(arguments: arguments[...]).map { "\($0)" } }

    @Test(arguments: options) func theQuickReaderKnows(_ option: [String]) throws {
        let arguments = Self.base + option
        let settings = try #require(read(arguments))
        #expect(settings == parsed(arguments))
        if option != ["-f"] { #expect(settings != read(Self.base)) }
    }

    @Test func theDefaultsAreTheSame() throws {
        let settings = try #require(read(Self.base))
        #expect(settings == parsed(Self.base))
    }

    @Test(arguments: oddities) func theQuickReaderTakesNothingThatTheParserRefuses(_ words: [String]) {
        for arguments in [Self.base + words, words + Self.base] {
            guard let settings = read(arguments) else { continue }
            #expect(settings == parsed(arguments))
        }
    }

    /// As getopt(3) has it: the value may follow a short option without a blank.
    @Test func valuesBehindShortOptions() throws {
        let words = ["-Slocalhost:1", "-nttyX", "-M199", "-m3", "-D5", "-f", "--mode=600"]
        let split = TTYNVT.splitShortOptions(words)
        #expect(split == ["-S", "localhost:1", "-n", "ttyX", "-M", "199", "-m", "3", "-D", "5", "-f", "--mode=600"])
        #expect(read(split) != nil)
        #expect(read(split) == parsed(split))
        #expect(TTYNVT.splitShortOptions(["-V"]) == ["--version"])
        #expect(TTYNVT.splitShortOptions(["-S=a:1"]) == ["-S=a:1"])
        #expect(TTYNVT.splitShortOptions(["simulate", "-mx"]) == ["simulate", "-mx"])
        #expect(TTYNVT.splitShortOptions(["supervise", "-m7"]) == ["supervise", "-m", "7"])
    }

    @Test func aPortNeedsServerAndName() {
        #expect(read(["-S", "localhost:1"]) == nil)
        #expect(read(["-n", "ttyX"]) == nil)
        #expect(read([]) == nil)
    }

    @Test func theyAgreeOnRandomCommandLines() {
        var random = SplitMix64(seed: 11)
        for _ in 0..<60 {
            var words = [Self.base]
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let choices = Int.random(in: 0..<8, using: &random) == 0 ? Self.oddities : Self.options
                if let word = choices.randomElement(using: &random) { words.append(word) }
            }
            let arguments = words.shuffled(using: &random).flatMap { $0 }
            if let settings = read(arguments) { #expect(settings == parsed(arguments), "\(arguments)") }
        }
    }
}
