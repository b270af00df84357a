import Glibc
import Logging
import PortPlan

/// Where minor numbers are remembered from start to start.
final class MinorFile {
    /// Under systemd the unit's StateDirectory= is here.
    static let defaultPath = "/var/lib/ttynvt-swift/minors"

    private let path: String
    private let log: Logger
    private var stored: String?
    private var saidWhy = false

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

    /// Remembers the table, on the disk, before a number of it is used. Where that is impossible, says so once.
    func store(_ table: MinorTable) {
        let text = table.text { _ in "" }
        guard text != stored else { return }
        stored = text
        do throws(DurableFile.Failure) {
            try DurableFile.makeDirectory(DurableFile.directory(of: path))
            try DurableFile.replace(path, with: text, survivesPowerLoss: true)
            saidWhy = false
        } catch {
            if !saidWhy { log.error("\(error): minor numbers are not remembered") }
            saidWhy = true
        }
    }
}
