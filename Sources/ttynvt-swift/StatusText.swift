import PortControl
import SerialLine

/// A port's status as text.
enum StatusText {
    /// The terminal on which a table is printed.
    struct Screen {
        /// Columns of the terminal; nil if the output is not a terminal, and all columns of the table are printed.
        var width: Int?
        var hasColour = false
    }

    /// One column of the table. Columns with a lower rank are dropped first if the terminal is too narrow.
    private enum Column: String, CaseIterable {
        case port = "PORT"
        case remote = "REMOTE"
        case state = "STATE"
        case settings = "SETTINGS"
        case lines = "LINES"
        case received = "RECEIVED"
        case sent = "SENT"
        case errors = "ERRORS"
        case reconnects = "RECONNECTS"
        case openIn = "OPEN IN"

        static let droppedFirst: [Column] = [
            .reconnects, .errors, .lines, .sent, .received, .settings, .remote, .openIn,
        ]
    }

    /// A table with columns as wide as needed; the last column is not padded. The last error of a port without a
    /// connection follows below its row.
    static func table(_ rows: [Status.Row], now: Int64, _ screen: Screen = Screen()) -> [String] {
        let statuses = rows.map { row in (row, try? row.answer.get()) }
        var columns = Column.allCases
        let cells = statuses.map { _, status in
            status.map { status in columns.map { cell($0, of: status, now: now) } } ?? []
        }
        let widths = Column.allCases.indices.map { column in
            cells.filter { !$0.isEmpty }.map { $0[column].count }.reduce(Column.allCases[column].rawValue.count, max)
        }
        func width(_ column: Column) -> Int { widths[Column.allCases.firstIndex(of: column) ?? 0] }
        for column in Column.droppedFirst {
            let total = columns.reduce(-2) { $0 + width($1) + 2 }
            guard let limit = screen.width, total > limit else { break }
            columns.removeAll { $0 == column }
        }
        func line(_ text: (Column) -> String, _ colour: String? = nil) -> String {
            columns.map { column in
                let text = text(column)
                let padded = column == columns.last ? text : text + spaces(width(column) - text.count)
                guard column == .state, let colour, screen.hasColour else { return padded }
                return "\u{1B}[\(colour)m\(padded)\u{1B}[0m"
            }.joined(separator: "  ")
        }
        var lines = [line { $0.rawValue }]
        for (row, status) in statuses {
            switch row.answer {
            case .success: break
            case .failure(.notPermitted): lines.append("\(row.name)  (no permission)")
            case .failure(let error): lines.append("\(row.name)  (\(error))")
            }
            guard let status else { continue }
            lines.append(line({ cell($0, of: status, now: now) }, colour(of: status.link)))
            if status.link == .connecting || status.link == .lost, let error = status.lastError {
                lines.append("  \(span(since: error.at, now)) ago: \(error.text)")
            }
        }
        return lines
    }

    /// Parameter of the terminal's colour sequence (ECMA-48, SGR): green, yellow, red.
    private static func colour(of link: LinkState) -> String? {
        switch link {
        case .connected: "32"
        case .connecting, .disconnecting: "33"
        case .lost: "31"
        case .idle: nil
        }
    }

    private static func cell(_ column: Column, of status: PortStatus, now: Int64) -> String {
        switch column {
        case .port: "\(status.name)"
        case .remote: status.peer ?? status.servers.first.map { "\($0)" } ?? "-"
        case .state: state(status, now)
        case .settings: status.settings
        case .lines: lines(status)
        case .received: bytes(status.received)
        case .sent: bytes(status.transmitted)
        case .errors: "\(errorCount(status.errors))"
        case .reconnects: "\(status.reconnects)"
        case .openIn: programs(status).isEmpty ? "-" : programs(status).joined(separator: ", ")
        }
    }

    /// The state of a port's connection, with its age: `connected 3m 12s`.
    static func state(_ status: PortStatus, _ now: Int64) -> String {
        let age = span(since: status.since, now)
        let state =
            switch status.link {
            case .idle: status.since <= status.started ? "ready (never opened)" : "ready (closed \(age) ago)"
            case .connecting: "connecting \(age)"
            case .connected: "connected \(age)"
            case .lost: "lost \(age), retrying"
            case .disconnecting: "disconnecting"
            }
        return state + (status.isRetiring ? ", retiring" : "")
    }

    /// The full status of one port, a line for each item.
    static func details(of status: PortStatus, now: Int64) -> [String] {
        var lines: [(String, String)] = [
            ("port", "/dev/\(status.name) (\(status.major):\(status.minor))"),
            ("process", "\(status.pid), up \(span(since: status.started, now))"),
            ("servers", status.servers.listed),
            ("state", state(status, now) + (status.peer.map { ", \($0)" } ?? "")),
            ("settings", status.settings),
            ("lines", "out: \(status.outputs), in: \(status.inputs)"),
            ("received", "\(status.received) bytes"),
            ("sent", "\(status.transmitted) bytes"),
            ("line errors", errors(status.errors)),
            ("reconnects", "\(status.reconnects)"),
            ("open in", programs(status).isEmpty ? "no program" : programs(status).joined(separator: ", ")),
        ]
        if let error = status.lastError {
            lines.append(("last error", "\(error.text) (\(span(since: error.at, now)) ago)"))
        }
        if status.isRetiring { lines.append(("retiring", "ends once no program has it open")) }
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { $0 + ":" + spaces(width - $0.count + 1) + $1 }
    }

    private static func lines(_ status: PortStatus) -> String {
        let all = status.outputs.union(status.inputs)
        return all == [] ? "-" : "\(all)"
    }

    private static func errorCount(_ errors: PortStatus.LineErrors) -> UInt64 {
        [errors.framing, errors.parity, errors.overrun, errors.bufferOverrun].reduce(0) { $0 &+ $1 }
    }

    private static func errors(_ errors: PortStatus.LineErrors) -> String {
        let kinds = [
            ("framing", errors.framing), ("parity", errors.parity), ("overrun", errors.overrun),
            ("buffer overrun", errors.bufferOverrun), ("break", errors.breaks),
        ].filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
        return kinds.isEmpty ? "none" : kinds.joined(separator: ", ")
    }

    /// Each program once, with the number of its open files if there are several.
    private static func programs(_ status: PortStatus) -> [String] {
        var counts: [(String, Int)] = []
        for opener in status.openers {
            let program = Program(thread: opener).description
            if let index = counts.firstIndex(where: { $0.0 == program }) {
                counts[index].1 += 1
            } else {
                counts.append((program, 1))
            }
        }
        return counts.map { $1 == 1 ? $0 : "\($0) ×\($1)" }
    }

    /// `1m 55s`: the two largest units.
    static func span(since then: Int64, _ now: Int64) -> String {
        let seconds = max(0, now.subtractingReportingOverflow(then).partialValue)
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m \(seconds % 60)s"
        case ..<86400: return "\(seconds / 3600)h \(seconds / 60 % 60)m"
        default: return "\(seconds / 86400)d \(seconds / 3600 % 24)h"
        }
    }

    /// `1.4 MB`: about three digits, in powers of 1000.
    static func bytes(_ count: UInt64) -> String {
        if count < 10_000 { return "\(count) B" }
        var value = Double(count)
        for unit in ["kB", "MB", "GB", "TB", "PB"] {
            value /= 1000
            if value < 9.95 {
                let tenths = Int((value * 10).rounded())
                return "\(tenths / 10).\(tenths % 10) \(unit)"
            }
            if value < 9999.5 { return "\(Int(value.rounded())) \(unit)" }
        }
        return "\(count) B"
    }

    private static func spaces(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
}
