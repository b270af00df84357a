import ArgumentParser
import Platform
import RFC2217
import RemotePort
import SerialLine

/// `ttynvt-swift probe H:P`: prints the features that a server supports.
struct Probe: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show which features an RFC 2217 server supports.",
        discussion: """
            Connects as a port does and asks: nothing at the server is changed. Most servers take one client at a time, \
            so none may be connected.
            """)

    @Argument(help: ArgumentHelp("The server.", valueName: "host:port")) var server: String
    @Flag(help: "Print a JSON object.") var json = false
    @Option(help: ArgumentHelp("Time limit for connecting, and for the server's agreement.", valueName: "seconds"))
    var timeout = 5.0

    func validate() throws {
        guard timeout > 0, timeout <= 3600 else {
            throw ValidationError("--timeout takes up to 3600 seconds, not \(timeout)")
        }
    }

    func run() throws {
        let endpoint: Endpoint
        do {
            endpoint = try Endpoint(parsing: server)
        } catch {
            throw Failure("illegal server '\(server)': \(error)")
        }
        let report: ProbeReport
        do {
            let probe = try ServerProbe(endpoint, timeout: UInt64(timeout * 1e9))
            report = ProbeReport(
                server: endpoint, address: probe.address, connectedAfter: probe.connectedAfter, survey: probe.survey())
        } catch {
            throw Failure("\(error)")
        }
        guard report.survey.isRFC2217 else { throw Failure(report.refusal) }
        if json { print(report.json.text) } else { report.lines.forEach { print($0) } }
    }
}

/// The result of a survey, as text.
struct ProbeReport {
    let server: Endpoint
    let address: String
    /// Nanoseconds.
    let connectedAfter: UInt64
    let survey: ServerSurvey

    var refusal: String {
        "\(server) \(ServerText(survey.heard).diagnosis(survey.refusal, hasClosed: survey.hasClosed))"
    }

    private var signature: String? {
        guard case .signature(let text)? = survey.value(of: .signature([])), !text.isEmpty else { return nil }
        return text.printable(limit: 100)
    }

    /// `9600 8N1`, with `?` for unknown parts.
    private var settings: String {
        let parity = value(.setParity(0)).flatMap { $0.first.map { String($0).uppercased() } } ?? "?"
        return
            "\(value(.setBaudRate(0)) ?? "?") \(value(.setDataSize(0)) ?? "?")\(parity)\(value(.setStopSize(0)) ?? "?")"
    }

    private func value(_ request: ComPortCommand) -> String? { survey.value(of: request).map(Self.text) }

    /// The value of an answer, without its command's name.
    private static func text(_ command: ComPortCommand) -> String {
        switch command {
        case .signature(let text): text.printable(limit: 100)
        case .setLineStateMask(let mask): "\(mask.rawValue)"
        default: "\(command)".split(separator: " ").dropFirst().joined(separator: " ")
        }
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e6 }

    private static func span(_ nanoseconds: UInt64) -> String {
        JSON.decimal(milliseconds(nanoseconds), digits: 1).line + " ms"
    }

    var lines: [String] {
        var lines = [
            "\(server) speaks RFC 2217",
            "connected:  to \(address) in \(Self.span(connectedAfter)); agreed after \(Self.span(survey.agreedAfter ?? 0))",
            "signature:  \(signature.map { "\"\($0)\"" } ?? "none")",
            "settings:   \(settings), \(value(.setControl(.queryFlow)) ?? "flow ?")",
            "lines in:   \(survey.modemState.map { "\($0.lines)" } ?? "not reported")",
            "answers:",
        ]
        let width = survey.answers.map(\.name.count).max() ?? 0
        for answer in survey.answers {
            let name = "  " + answer.name + String(repeating: " ", count: width - answer.name.count)
            guard let value = answer.value else {
                lines.append(name + "  no answer")
                continue
            }
            let note = answer.isToThePoint ? "" : " (answers another question)"
            lines.append(name + "  \(Self.text(value)) in \(Self.span(answer.after))\(note)")
        }
        lines += [
            "not asked:  PURGE-DATA, which drops data",
            "barrier:    \(survey.barrier ?? "none: the end of output is calculated from the line's rate only")",
            "like:       \(survey.families.isEmpty ? "no known server" : survey.families.joined(separator: ", "))",
            "RS485:      unknown: the codes depend on the vendor, and a query could switch the mode (--rs485-codes)",
        ]
        return lines
    }

    /// The result in JSON: times in milliseconds, unknown values as null.
    var json: JSON {
        [
            "server": .string("\(server)"), "address": .string(address), "rfc2217": .bool(survey.isRFC2217),
            "connectMilliseconds": .decimal(Self.milliseconds(connectedAfter), digits: 3),
            "agreedMilliseconds": .decimal(Self.milliseconds(survey.agreedAfter ?? 0), digits: 3),
            "signature": JSON(signature), "settings": .string(settings),
            "flow": JSON(value(.setControl(.queryFlow))), "dtr": JSON(value(.setControl(.queryDTR))),
            "rts": JSON(value(.setControl(.queryRTS))),
            "inputs": survey.modemState.map { state in
                let lines = state.lines
                return .array(lines == [] ? [] : "\(lines)".split(separator: " ").map { .string(String($0)) })
            } ?? .null,
            "answers": .array(
                survey.answers.map { answer in
                    [
                        "command": .string(answer.name), "answered": .bool(answer.value != nil),
                        "value": JSON(answer.value.map(Self.text)),
                        "milliseconds": answer.value == nil
                            ? .null : .decimal(Self.milliseconds(answer.after), digits: 3),
                    ]
                }),
            "notAsked": ["PURGE-DATA"], "barrier": JSON(survey.barrier),
            "like": .array(survey.families.map { .string($0) }), "rs485": "unknown",
        ]
    }
}
