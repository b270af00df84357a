import CSystemd
import Glibc
import Logging

/// Writes entries of the systemd journal, with PRIORITY and the port's facts as fields: `journalctl
/// TTYNVT_PORT=ttyMIO04-1-com1`.
package struct JournalLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level = .notice
    private let identifier: String

    package init(identifier: String) { self.identifier = identifier }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = [
            "MESSAGE=\(LogLine.clean("\(event.message)"))",
            "PRIORITY=\(event.level.priority)",
            "SYSLOG_IDENTIFIER=\(identifier)",
        ]
        if let port = Optional(metadata).text("port") { fields.append("TTYNVT_PORT=\(LogLine.clean(port))") }
        if let server = Optional(metadata).text("server") { fields.append("TTYNVT_SERVER=\(LogLine.clean(server))") }
        withCStrings(fields) { _ = csystemd_journal_send($0, Int32(fields.count)) }
    }

    private func withCStrings(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>>) -> Void) {
        let copies = strings.compactMap { strdup($0) }
        defer { copies.forEach { free($0) } }
        guard copies.count == strings.count else { return }
        copies.map { UnsafePointer($0) }.withUnsafeBufferPointer { pointers in
            if let base = pointers.baseAddress { body(base) }
        }
    }

    /// Whether standard error is connected to the journal, by JOURNAL_STREAM (systemd.exec(5)).
    package static var isOurs: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }
}

extension Logger.Level {
    /// syslog(3)'s priority.
    fileprivate var priority: Int {
        switch self {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
