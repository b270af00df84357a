import Glibc
import Logging
import Platform
import PortPlan
import SerialLine

/// The file in which numbers and hosts of ports are remembered over restarts, and a copy of it beside it.
///
/// If a write fails, it is repeated after 5 s, then after pauses that double up to a minute; one log line reports the
/// failure, and another one the success. Once a minute the file is compared with the last write: a file that was
/// removed, or replaced by an older copy, is written again.
final class LedgerFile {
    /// Under systemd this is in the unit's StateDirectory=.
    static let defaultPath = "/var/lib/ttynvt-swift/ports"
    /// In nanoseconds.
    static let firstPause: UInt64 = .seconds(5)
    static let longestPause: UInt64 = .seconds(60)
    static let checkPause: UInt64 = .seconds(60)
    /// In bytes: all names with the longest hosts.
    private static let longestFile = 8 << 20

    private let path: String
    private let log: Logger
    /// The file's contents as last read or written; nil if unknown.
    private var stored: String?
    /// The intended contents of the file; nil before the first ledger.
    private var wanted: String?
    /// The ledger that `wanted` is the text of.
    private var last: PortLedger?
    private var failures = 0
    private var notBefore: MonotonicTime?
    private var nextCheck: MonotonicTime?

    private var backup: String { path + ".backup" }
    /// The file of version 0.1.0.
    private var old: String { DurableFile.directory(of: path) + "/minors" }

    init(_ path: String, log: Logger) {
        self.path = path
        self.log = log
    }

    /// Reads the ledger. If the file is missing or malformed, the copy is used. Numbers that either of the two has
    /// assigned are not assigned again.
    func load() -> PortLedger {
        var ledger = read(path)
        let copy = read(backup)
        if ledger == nil, let copy {
            log.warning("\(path) is missing; using its copy \(backup)")
            ledger = copy
        }
        if var ledger {
            if let copy { ledger.minors.merge(numbersOf: copy.minors) }
            nextCheck = .now + Self.checkPause
            return ledger
        }
        return read(old) ?? PortLedger()
    }

    /// Parses a file; nil if it does not exist. A malformed file is renamed.
    private func read(_ path: String) -> PortLedger? {
        do throws(DurableFile.Failure) {
            guard let text = try DurableFile.read(path, limit: Self.longestFile) else { return nil }
            do throws(MinorTable.Corrupt) {
                let ledger = try PortLedger(parsing: text)
                if path == self.path { stored = text }
                return ledger
            } catch {
                let aside = path + ".corrupt"
                log.warning("\(path) is corrupt (\(error)): moved to \(aside)")
                rename(path, aside)
            }
        } catch {
            log.warning("\(error); ignoring its contents")
        }
        return nil
    }

    /// Stores the ledger on the disk before one of its numbers is used. If that fails, ports still work, and the
    /// write is repeated.
    func store(_ ledger: PortLedger, _ now: MonotonicTime) {
        if ledger != last { wanted = ledger.text }
        last = ledger
        advance(now)
    }

    /// Repeats a failed write, and compares the file with `wanted`, when that is due.
    func advance(_ now: MonotonicTime) {
        if let nextCheck, nextCheck <= now {
            self.nextCheck = now + Self.checkPause
            if stored != nil, (try? DurableFile.read(path, limit: Self.longestFile)) != stored {
                log.warning("\(path) was removed or replaced; writing it again")
                stored = nil
            }
        }
        guard let wanted, wanted != stored else {
            notBefore = nil
            return
        }
        guard (notBefore ?? now) <= now else { return }
        do throws(DurableFile.Failure) {
            try DurableFile.makeDirectory(DurableFile.directory(of: path))
            try DurableFile.replace(backup, with: wanted, survivesPowerLoss: true)
            try DurableFile.replace(path, with: wanted, survivesPowerLoss: true)
            if failures > 0 { log.notice("\(path) was written; numbers and hosts of ports are saved again") }
            stored = wanted
            failures = 0
            notBefore = nil
            if nextCheck == nil { nextCheck = now + Self.checkPause }
        } catch {
            if failures == 0 {
                log.error("\(error); numbers and hosts of ports are not saved until it can be written")
            }
            notBefore = now + min(Self.longestPause, Self.firstPause << UInt64(min(failures, 4)))
            failures += 1
        }
    }

    /// When `advance` must be called.
    var nextDeadline: MonotonicTime? { sooner(notBefore, nextCheck) }
}
