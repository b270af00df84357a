import Platform
import PortControl
import PortPlan
import SerialLine

/// Lines to and from the control sockets, and to the starter: a parsed line is written back unchanged, and a reply
/// has one line, or as many as it announces. The first byte selects the kind.
enum ControlFuzz {
    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            guard let first = bytes.first else { return }
            let line = Array(bytes.dropFirst())
            switch first % 6 {
            case 0: try port(line)
            case 1: try supervisor(line)
            case 2: try report(line)
            case 3: try status(line)
            case 4: try order(line)
            default: try answer(line)
            }
        }
    }

    private static func port(_ line: [UInt8]) throws(Violation) {
        let request: ControlRequest
        do throws(ControlRequest.Unknown) { request = try ControlRequest(line: line) } catch {
            return try isReply(ControlReply.refused("\(error)").line)
        }
        try reads(request.line, request) { try? ControlRequest(line: $0) }
    }

    private static func supervisor(_ line: [UInt8]) throws(Violation) {
        let request: SupervisorRequest
        do throws(SupervisorRequest.Unknown) { request = try SupervisorRequest(line: line) } catch {
            return try isReply(ControlReply.refused("\(error)").line)
        }
        try reads(request.line, request) { try? SupervisorRequest(line: $0) }
    }

    private static func reads<Value: Equatable>(
        _ text: String, _ value: Value, _ read: ([UInt8]) -> Value?
    ) throws(Violation) {
        try Violation.unless(read(Array(text.utf8)) == value, "'\(text)' reads differently")
    }

    private static func isReply(_ line: String) throws(Violation) {
        try Violation.unless(!line.contains { $0.isNewline }, "a reply of several lines: \(line)")
    }

    private static func report(_ line: [UInt8]) throws(Violation) {
        let text = String(decoding: line, as: UTF8.self)
        guard let report = NameReport(line: text[...]) else { return }
        try reads(report.line, report) { NameReport(line: String(decoding: $0, as: UTF8.self)[...]) }
    }

    private static func status(_ reply: [UInt8]) throws(Violation) {
        guard let name = try? DeviceName("ttyFuzz") else { return }
        do throws(PortControlError) {
            try ControlExchange.check(name, reply)
        } catch {
            try isReply("\(error)")
        }
        let status: PortStatus
        do throws(PortControlError) { status = try ControlExchange.status(name, reply) } catch {
            return try isReply("\(error)")
        }
        let text = Array(status.text.utf8)
        try Violation.unless(text.count <= PortControl.longestReply, "a status of \(text.count) bytes")
        guard let again = try? PortStatus(parsing: text) else { throw Violation("its own text is no status") }
        try Violation.unless(again.text == status.text, "the status is written differently")
    }

    private static func order(_ line: [UInt8]) throws(Violation) {
        guard let order = try? StartOrder(line: line) else { return }
        try Violation.unless(order.line == line + [UInt8(ascii: "\n")], "the order is written differently")
        try Violation.unless(order.unit.utf8.count <= 255, "the unit's name is too long")
        guard let environment = order.spec?.environment else { return }
        // What systemd and udev read: known names, and values that need no quoting.
        for text in environment.split(separator: "\n") {
            let parts = text.split(separator: "=", maxSplits: 1)
            let isKnown = parts.first.map {
                ["SERVERS", "ARGUMENTS", "OWNER", "GROUP", "MODE"].contains(String($0.dropFirst(7)))
            }
            let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && !"\"'\\$`;#*".utf8.contains($0) }
            try Violation.unless(isKnown == true && isPlain, "the environment has '\(text)'")
        }
    }

    private static func answer(_ line: [UInt8]) throws(Violation) {
        let text = String(decoding: line, as: UTF8.self)
        guard let answer = StartAnswer(line: text) else { return }
        try Violation.unless(StartAnswer(line: answer.line) == answer, "'\(text)' reads differently")
    }
}
