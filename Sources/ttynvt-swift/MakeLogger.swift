import Logging
import Logs
import VirtualTTY

/// Creates the program's log: the journal if standard error is connected to it, otherwise lines on standard error.
/// - Parameter level: of `LogLevel`; other values count as the nearest.
func makeLogger(level: Int, toStandardError: Bool) -> Logger {
    let usesJournal = JournalLogHandler.isOurs && !toStandardError
    var logger = Logger(label: "ttynvt-swift") { _ -> any LogHandler in
        if usesJournal { JournalLogHandler(identifier: "ttynvt-swift") } else { StderrLogHandler() }
    }
    logger.logLevel = LogLevel(clamping: level).swiftLogLevel
    return logger
}

extension LogLevel {
    init(clamping level: Int) {
        self = LogLevel(rawValue: min(max(level, 0), LogLevel.trace.rawValue)) ?? .notice
    }
}
