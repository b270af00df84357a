import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct MinorTableTests {
    private func name(_ number: Int) throws -> DeviceName { try DeviceName(port: "port-\(number)") }

    private func minor(_ table: inout MinorTable, _ name: DeviceName, taken: Set<UInt32> = []) -> UInt32? {
        table.minor(for: name, isInUse: { _ in false }, isTaken: { taken.contains($0) })
    }

    @Test func nextNumberAndKept() throws {
        var table = MinorTable()
        #expect(minor(&table, try name(1)) == 1)
        #expect(minor(&table, try name(2), taken: [2, 3]) == 4)
        #expect(minor(&table, try name(3)) == 5)
        // Kept, even if another device seems to have the number: that may be the port itself.
        #expect(minor(&table, try name(2), taken: [4]) == 4)
        table.forget(try name(1))
        #expect(minor(&table, try name(4)) == 6, "1 has been given")
        #expect(minor(&table, try name(1)) == 7)
    }

    @Test func fixedNumbers() throws {
        var table = MinorTable()
        _ = minor(&table, try name(1))
        table.fix(1, for: try name(2))
        #expect(table[try name(2)] == 1)
        #expect(table[try name(1)] == nil)
        #expect(minor(&table, try name(1)) == 2)
        table.fix(4, for: try name(2))
        #expect(minor(&table, try name(3)) == 3)
        table.fix(9, for: try name(2))
        #expect(minor(&table, try name(4)) == 5, "4 has been given")
        #expect(try MinorTable(parsing: table.text { _ in "" }) == table)
    }

    /// Past the capacity the one longest out of use goes, and never one in use. Its number is not given again.
    @Test func forgetting() throws {
        var table = MinorTable()
        for number in 0..<MinorTable.capacity { _ = minor(&table, try name(number)) }
        #expect(table.count == MinorTable.capacity)
        #expect(minor(&table, try name(0)) == 1)
        #expect(minor(&table, try name(MinorTable.capacity)) == UInt32(MinorTable.capacity + 1))
        #expect(table[try name(1)] == nil)
        let all = try name(9999)
        #expect(table.minor(for: all, isInUse: { _ in true }, isTaken: { _ in false }) == nil)
        #expect(table.count == MinorTable.capacity)
    }

    /// 5,000 names over time, and some of them again: no number is given to a second name.
    @Test func numbersAreNotReissued() throws {
        var random = SplitMix64(seed: 11)
        var table = MinorTable()
        var owners: [UInt32: DeviceName] = [:]
        for turn in 0..<20_000 {
            let name = try name(random.below(5000))
            switch random.below(400) {
            case 0..<20: table.forget(name)
            case 20..<40: table.fix(UInt32(random.below(9000) + 1), for: name)
            case 40: table = try MinorTable(parsing: table.text { _ in "" })
            default: _ = minor(&table, name)
            }
            guard let number = table[name] else { continue }
            // A fixed number is the configuration's to give.
            if let owner = owners[number], owner != name { #expect(number <= 9000, "\(turn)") }
            owners[number] = name
        }
        var plain = MinorTable()
        let numbers = try (0..<5000).compactMap { minor(&plain, try name($0)) }
        #expect(Set(numbers).count == 5000)
        #expect(plain.count == MinorTable.capacity)
    }

    /// When every number has been given, those of forgotten names are.
    @Test func exhaustion() throws {
        let text = "HEAD\nnext 1048575\nttyA 1\nend 1\n"
        let header = try #require(MinorTable().text { _ in "" }.split(separator: "\n").first)
        var table = try MinorTable(parsing: header + String(text.dropFirst(4)))
        #expect(minor(&table, try name(1)) == 1_048_575)
        #expect(minor(&table, try name(2)) == 2)
    }

    /// A file of 0.1.0: its numbers stay, and new ones come behind them.
    @Test func oldText() throws {
        let text = "# ttynvt-swift: minor numbers of ports, the longest unused first\nttyB 7\nttyA 2\nend 2\n"
        var table = try MinorTable(parsing: text)
        #expect(table[try DeviceName("ttyA")] == 2)
        #expect(minor(&table, try name(1)) == 8)
    }

    /// An older copy of a table does not give the numbers that the newer one has given.
    @Test func restored() throws {
        var table = MinorTable()
        for number in 0..<10 { _ = minor(&table, try name(number)) }
        table.fix(100, for: try name(3))
        var other = MinorTable()
        other.merge(numbersOf: table)
        #expect(minor(&other, try name(20)) == 11)
        #expect(other.text { _ in "" }.contains("used 100\n"))
    }

    @Test func textRoundTrip() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            var table = MinorTable()
            for _ in 0..<random.below(20) {
                _ = minor(&table, try name(random.below(30)), taken: [UInt32(random.below(9))])
            }
            #expect(try MinorTable(parsing: table.text { _ in "" }) == table)
        }
    }

    /// Every cut file, and every file with one byte changed, is either refused or says the same but for one entry.
    @Test func damagedText() throws {
        var table = MinorTable()
        for number in 0..<5 { _ = minor(&table, try name(number)) }
        let text = Array(table.text { _ in "" }.utf8)
        for count in 0..<text.count {
            let cut = String(decoding: text.prefix(count), as: UTF8.self)
            #expect(throws: MinorTable.Corrupt.self) { try MinorTable(parsing: cut) }
        }
        var random = SplitMix64(seed: 3)
        for index in text.indices {
            var damaged = text
            damaged[index] = random.byte()
            if let other = try? MinorTable(parsing: String(decoding: damaged, as: UTF8.self)) {
                #expect(other.count == 5)
            }
        }
    }

    @Test(arguments: [
        ("", 1), ("ttyA 1\nend 1\n", 1), ("HEAD\nnext 1\nttyA 1\nttyA 2\nend 2\n", 3),
        ("HEAD\nnext 1\nttyA 1\nttyB 1\nend 2\n", 3),
        ("HEAD\nnext 1\n../x 1\nend 1\n", 2), ("HEAD\nnext 1\n/dev/ttyA 1\nend 1\n", 2),
        ("HEAD\nnext 1\nttyA 0\nend 1\n", 2),
        ("HEAD\nnext 1\nttyA 1048576\nend 1\n", 2), ("HEAD\nnext 1\nttyA 1\nend 2\n", 3),
        ("HEAD\nnext 1\nttyA 1\nend 1\nx", 3),
        ("HEAD\nnext 1\nttyA 1", 3), ("HEAD\nnext 1\nttyA -1\nend 1\n", 2), ("HEAD\nnext 1\nttyS0 1\nend 1\n", 2),
    ])
    func corrupt(_ text: String, _ line: Int) throws {
        let header = try #require(MinorTable().text { _ in "" }.split(separator: "\n").first)
        let text = text.hasPrefix("HEAD") ? header + text.dropFirst(4) : Substring(text)
        let error = #expect(throws: MinorTable.Corrupt.self) { try MinorTable(parsing: String(text)) }
        #expect(error.map { $0.line <= line + 1 } == true)
    }
}
