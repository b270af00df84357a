import Glibc
import Logging
import Platform
import PortPlan
import SerialLine

/// Where minor numbers are remembered from start to start.
///
/// A file that cannot be written is tried again after 5 s, then after pauses that double up to a minute; that is said
/// once, and again when it has been written. Once a minute its content is checked: a file that vanished, or was
/// replaced by an older copy, is written anew.
final class MinorFile {
    /// Under systemd the unit's StateDirectory= is here.
    static let defaultPath = "/var/lib/ttynvt-swift/minors"
    /// In nanoseconds.
    static let firstPause: UInt64 = .seconds(5)
    static let longestPause: UInt64 = .seconds(60)
    static let checkPause: UInt64 = .seconds(60)

    private let path: String
    private let log: Logger
    /// The file's content as last written or read; nil if unknown.
    private var stored: String?
    /// The last table, which costs less to compare than its text.
    private var table: MinorTable?
    /// The content it should have; nil before the first table.
    private var wanted: String?
    private var failures = 0
    private var notBefore: MonotonicTime?
    private var nextCheck: MonotonicTime?

    init(_ path: String, log: Logger) {
        self.path = path
        self.log = log
    }

    /// What was remembered. A file that cannot be understood is put aside, and numbers are given anew.
    func load() -> MinorTable {
        do throws(DurableFile.Failure) {
            guard let text = try DurableFile.read(path) else { return MinorTable() }
            do throws(MinorTable.Corrupt) {
                let table = try MinorTable(parsing: text)
                stored = text
                nextCheck = .now + Self.checkPause
                return table
            } catch {
                let aside = path + ".corrupt"
                log.warning("\(path) is corrupt (\(error)): moved to \(aside), minor numbers are given anew")
                rename(path, aside)
            }
        } catch {
            log.warning("\(error): minor numbers are given anew")
        }
        return MinorTable()
    }

    /// Remembers the table, on the disk, before a number of it is used. If that fails, ports work all the same, and it
    /// is tried again.
    func store(_ table: MinorTable, _ now: MonotonicTime) {
        if table != self.table { wanted = table.text }
        self.table = table
        advance(now)
    }

    /// Tries again after a failed write, and checks the content of the file, when that is due.
    func advance(_ now: MonotonicTime) {
        if let nextCheck, nextCheck <= now {
            self.nextCheck = now + Self.checkPause
            if stored != nil, (try? DurableFile.read(path)) != stored {
                log.warning("\(path) is gone or was replaced: it is written anew")
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
            try DurableFile.replace(path, with: wanted, survivesPowerLoss: true)
            if failures > 0 { log.notice("\(path) is written again: minor numbers are remembered") }
            stored = wanted
            failures = 0
            notBefore = nil
            if nextCheck == nil { nextCheck = now + Self.checkPause }
        } catch {
            if failures == 0 { log.error("\(error): minor numbers are not remembered until it can be written") }
            notBefore = now + min(Self.longestPause, Self.firstPause << UInt64(min(failures, 4)))
            failures += 1
        }
    }

    /// When `advance` is due.
    var nextDeadline: MonotonicTime? { sooner(notBefore, nextCheck) }
}
