import PortControl
import SerialLine

/// A port's status as text.
enum StatusText {
    /// A table with columns as wide as needed; the last column is not padded.
    static func table(_ rows: [Status.Row], now: Int64) -> [String] {
        var cells = [
            [
                "PORT", "REMOTE", "LINK", "SINCE", "SETTINGS", "LINES", "RECEIVED", "SENT", "ERRORS", "RECONNECTS",
                "OPEN IN",
            ]
        ]
        for row in rows {
            switch row.answer {
            case .success(let status): cells.append(Self.cells(of: status, now: now))
            case .failure(.notPermitted): cells.append(["\(row.name)", "(no permission)"])
            case .failure(let error): cells.append(["\(row.name)", "(\(error))"])
            }
        }
        let widths = (0..<cells[0].count).map { column in
            cells.filter { $0.count > 2 }.map { $0[column].count }.max() ?? 0
        }
        return cells.map { line in
            let padded = line.enumerated().map { column, cell in
                column == line.count - 1 ? cell : cell + spaces(widths[column] - cell.count)
            }
            return padded.joined(separator: "  ")
        }
    }

    private static func cells(of status: PortStatus, now: Int64) -> [String] {
        [
            "\(status.name)", status.peer ?? status.servers.first.map { "\($0)" } ?? "-", link(status),
            span(since: status.since, now), status.settings, lines(status), bytes(status.received),
            bytes(status.transmitted), "\(errorCount(status.errors))", "\(status.reconnects)",
            programs(status).isEmpty ? "-" : programs(status).joined(separator: ", "),
        ]
    }

    /// The full status of one port, a line for each item.
    static func details(of status: PortStatus, now: Int64) -> [String] {
        var lines: [(String, String)] = [
            ("port", "/dev/\(status.name) (\(status.major):\(status.minor))"),
            ("process", "\(status.pid), up \(span(since: status.started, now))"),
            ("servers", status.servers.listed),
            ("link", "\(link(status)), \(span(since: status.since, now))" + (status.peer.map { ", \($0)" } ?? "")),
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

    private static func link(_ status: PortStatus) -> String {
        status.link.rawValue + (status.isRetiring ? ", retiring" : "")
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

    /// `12 min`: the largest unit of which there are at least two.
    static func span(since then: Int64, _ now: Int64) -> String {
        let seconds = max(0, now.subtractingReportingOverflow(then).partialValue)
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3600) h"
        default: return "\(seconds / 86400) d"
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
