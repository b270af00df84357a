import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct MinorTableTests {
    private func name(_ number: Int) throws -> DeviceName { try DeviceName(port: "port-\(number)") }

    private func minor(_ table: inout MinorTable, _ name: DeviceName, taken: Set<UInt32> = []) -> UInt32? {
        table.minor(for: name, isInUse: { _ in false }, isTaken: { taken.contains($0) })
    }

    @Test func lowestFreeAndKept() throws {
        var table = MinorTable()
        #expect(minor(&table, try name(1)) == 1)
        #expect(minor(&table, try name(2), taken: [2, 3]) == 4)
        #expect(minor(&table, try name(3)) == 2)
        // Kept, even where somebody else seems to have the number: that may be the port itself.
        #expect(minor(&table, try name(2), taken: [4]) == 4)
        table.forget(try name(1))
        #expect(minor(&table, try name(4)) == 1)
    }

    @Test func fixedNumbers() throws {
        var table = MinorTable()
        _ = minor(&table, try name(1))
        table.fix(1, for: try name(2))
        #expect(table[try name(2)] == 1)
        #expect(table[try name(1)] == nil)
        #expect(minor(&table, try name(1)) == 2)
        table.fix(7, for: try name(2))
        #expect(minor(&table, try name(3)) == 1)
    }

    /// Past the capacity the one longest out of use goes, and never one in use.
    @Test func forgetting() throws {
        var table = MinorTable()
        for number in 0..<MinorTable.capacity { _ = minor(&table, try name(number)) }
        #expect(table.count == MinorTable.capacity)
        #expect(minor(&table, try name(0)) == 1)
        #expect(minor(&table, try name(MinorTable.capacity)) == 2, "1 was used last, so 2 is free again")
        #expect(table[try name(1)] == nil)
        let all = try name(9999)
        #expect(table.minor(for: all, isInUse: { _ in true }, isTaken: { _ in false }) == nil)
        #expect(table.count == MinorTable.capacity)
    }

    @Test func textRoundTrip() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            var table = MinorTable()
            for _ in 0..<random.below(20) {
                _ = minor(&table, try name(random.below(30)), taken: [UInt32(random.below(9))])
            }
            #expect(try MinorTable(parsing: table.text) == table)
        }
    }

    /// Every cut file, and every file with one byte changed, is either refused or says the same but for one entry.
    @Test func damagedText() throws {
        var table = MinorTable()
        for number in 0..<5 { _ = minor(&table, try name(number)) }
        let text = Array(table.text.utf8)
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
        ("", 1), ("ttyA 1\nend 1\n", 1), ("HEAD\nttyA 1\nttyA 2\nend 2\n", 3), ("HEAD\nttyA 1\nttyB 1\nend 2\n", 3),
        ("HEAD\n../x 1\nend 1\n", 2), ("HEAD\n/dev/ttyA 1\nend 1\n", 2), ("HEAD\nttyA 0\nend 1\n", 2),
        ("HEAD\nttyA 1048576\nend 1\n", 2), ("HEAD\nttyA 1\nend 2\n", 3), ("HEAD\nttyA 1\nend 1\nx", 3),
        ("HEAD\nttyA 1", 3), ("HEAD\nttyA -1\nend 1\n", 2), ("HEAD\nttyS0 1\nend 1\n", 2),
    ])
    func corrupt(_ text: String, _ line: Int) throws {
        let header = try #require(MinorTable().text.split(separator: "\n").first)
        let text = text.hasPrefix("HEAD") ? header + text.dropFirst(4) : Substring(text)
        let error = #expect(throws: MinorTable.Corrupt.self) { try MinorTable(parsing: String(text)) }
        #expect(error.map { $0.line <= line + 1 } == true)
    }
}
