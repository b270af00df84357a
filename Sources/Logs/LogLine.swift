import Glibc
import Logging
import Platform

/// The text of log lines, made safe to print: text from the network cannot break a line or move a cursor.
package enum LogLine {
    /// `2026-01-31 09:30:00.123 notice ttyMIO04-1-com1: message`
    static func text(_ event: LogEvent, port: String?) -> String {
        let place = port.map { "\($0): " } ?? ""
        return "\(timestamp()) \(event.level) \(place)\(clean("\(event.message)"))\n"
    }

    /// Shows control characters as `\xNN`.
    package static func clean(_ text: String) -> String { text.singleLine }

    private static func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        localtime_r(&now.tv_sec, &parts)
        let date = [
            padded(Int(parts.tm_year) + 1900, 4), padded(Int(parts.tm_mon) + 1, 2), padded(Int(parts.tm_mday), 2),
        ].joined(separator: "-")
        let time = [padded(Int(parts.tm_hour), 2), padded(Int(parts.tm_min), 2), padded(Int(parts.tm_sec), 2)]
            .joined(separator: ":")
        return "\(date) \(time).\(padded(now.tv_nsec / 1_000_000, 3))"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Logger.Metadata? {
    /// A metadata value as text.
    func text(_ key: String) -> String? { self?[key].map { "\($0)" } }
}
