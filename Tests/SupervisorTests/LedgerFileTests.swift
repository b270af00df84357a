import Glibc
import PortPlan
import SerialLine
import Testing

@testable import Supervisor

@Suite struct LedgerFileTests {
    private let scratch: Scratch
    private let lines = LogLines()
    private var path: String { scratch.path + "/state/ports" }

    init() throws { scratch = try Scratch() }

    private func table(_ names: String...) throws -> PortLedger {
        var table = PortLedger()
        for name in names {
            _ = table.minors.minor(for: try DeviceName(name), isInUse: { _ in false }, isTaken: { _ in false })
        }
        return table
    }

    private var onDisk: String? { (try? DurableFile.read(path)) ?? nil }

    /// A file in place of the directory: nothing can be written, and no user is above that.
    private func block() throws { try DurableFile.replace(scratch.path + "/state", with: "", survivesPowerLoss: false) }
    private func unblock() { unlink(scratch.path + "/state") }

    @Test func whatCouldNotBeWrittenIsTriedAgain() throws {
        try block()
        let file = LedgerFile(path, log: lines.logger)
        let table = try table("ttyXa")
        file.store(table, .at(0))
        #expect(lines.all.count == 1 && lines.all.first?.contains("are not saved") == true)
        #expect(file.nextDeadline == .at(5))
        for seconds in [1, 5, 15, 20] { file.store(table, .at(Double(seconds))) }
        #expect(lines.all.count == 1, "said once")
        #expect(file.nextDeadline == .at(35), "after 5, 10, 20 s")
        unblock()
        file.advance(.at(34))
        #expect(onDisk == nil)
        file.advance(.at(35))
        #expect(onDisk == table.text)
        #expect(lines.all.count == 2 && lines.all.last?.contains("was written; ") == true)
        file.store(try self.table("ttyXa", "ttyXb"), .at(36))
        #expect(onDisk == (try self.table("ttyXa", "ttyXb").text), "at once from then on")
    }

    @Test func pausesDoubleUpToAMinute() throws {
        try block()
        let file = LedgerFile(path, log: lines.logger)
        file.store(try table("ttyXa"), .at(0))
        var tries: [UInt64] = []
        var now = 0.0
        while now < 300 {
            let before = file.nextDeadline
            file.advance(.at(now))
            if let after = file.nextDeadline, let before, after != before {
                tries.append(after.since(before) / .seconds(1))
            }
            now += 1
        }
        #expect(tries == [10, 20, 40, 60, 60, 60, 60])
    }

    /// Nothing is left to write: the pause does not go on, and no loop waits for its end.
    @Test func aChangeThatIsTakenBackIsNotTried() throws {
        let file = LedgerFile(path, log: lines.logger)
        let table = try table("ttyXa")
        file.store(table, .at(0))
        unlink(path)
        unlink(path + ".backup")
        rmdir(scratch.path + "/state")
        try block()
        file.store(try self.table("ttyXb"), .at(1))
        #expect(file.nextDeadline == .at(6))
        file.store(table, .at(2))
        #expect(file.nextDeadline == .at(60), "the next look at its content")
    }

    @Test func aLostFileIsWrittenAnew() throws {
        let file = LedgerFile(path, log: lines.logger)
        let (old, new) = (try table("ttyXa"), try table("ttyXa", "ttyXb"))
        file.store(old, .at(0))
        file.store(new, .at(1))
        #expect(file.nextDeadline == .at(60))
        file.advance(.at(60))
        #expect(lines.all.isEmpty && file.nextDeadline == .at(120))
        unlink(path)
        file.advance(.at(119))
        #expect(onDisk == nil)
        file.advance(.at(120))
        #expect(onDisk == new.text && lines.all.count == 1)
        // Somebody puts a copy back.
        try DurableFile.replace(path, with: old.text, survivesPowerLoss: false)
        file.advance(.at(180))
        #expect(onDisk == new.text && lines.all.count == 2)
    }

    @Test func whatWasLoadedIsNotWritten() throws {
        try #require(mkdir(scratch.path + "/state", 0o755) == 0)
        let table = try table("ttyXa")
        try DurableFile.replace(path, with: table.text, survivesPowerLoss: false)
        let file = LedgerFile(path, log: lines.logger)
        #expect(file.load() == table)
        unlink(path)
        file.store(table, .at(0))
        #expect(onDisk == nil && file.nextDeadline != nil)
    }

    private func number(_ ledger: inout PortLedger, _ name: String) throws -> UInt32? {
        ledger.minors.minor(for: try DeviceName(name), isInUse: { _ in false }, isTaken: { _ in false })
    }

    /// The file is deleted while no supervisor runs, or an older copy of it is put back: no number is assigned twice.
    @Test(arguments: [false, true]) func aCopyKeepsTheNumbers(_ isOld: Bool) throws {
        let old = try table("ttyXa")
        let file = LedgerFile(path, log: lines.logger)
        file.store(try table("ttyXa", "ttyXb"), .at(1))
        if isOld {
            try DurableFile.replace(path, with: old.text, survivesPowerLoss: false)
        } else {
            unlink(path)
        }
        var ledger = LedgerFile(path, log: lines.logger).load()
        #expect(lines.all.count == (isOld ? 0 : 1))
        #expect(try number(&ledger, "ttyXa") == 1)
        #expect(try number(&ledger, "ttyXc") == 3)
    }

    @Test func aCorruptFileIsPutAside() throws {
        let file = LedgerFile(path, log: lines.logger)
        file.store(try table("ttyXa"), .at(1))
        try DurableFile.replace(path, with: "nonsense", survivesPowerLoss: false)
        #expect(LedgerFile(path, log: lines.logger).load() == (try table("ttyXa")))
        #expect(lines.all.count == 2 && lines.all[0].contains("is corrupt (line 1: not the expected header)"))
        #expect(try DurableFile.read(path + ".corrupt") == "nonsense")
    }

    /// The file of 0.1.0.
    @Test func anOlderFileIsRead() throws {
        try #require(mkdir(scratch.path + "/state", 0o755) == 0)
        let text = "# ttynvt-swift: minor numbers of ports, the longest unused first\nttyXb 7\nend 1\n"
        try DurableFile.replace(scratch.path + "/state/minors", with: text, survivesPowerLoss: false)
        var ledger = LedgerFile(path, log: lines.logger).load()
        #expect(try number(&ledger, "ttyXb") == 7)
        #expect(try number(&ledger, "ttyXc") == 8)
    }
}
