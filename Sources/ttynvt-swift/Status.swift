import ArgumentParser
import Glibc
import Platform
import PortControl
import SerialLine

/// `ttynvt-swift status`: prints the status of the running ports.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the status of the running ports.",
        discussion: """
            Without a name a table of all ports, with one everything about that port. Whoever may read a port's device \
            may see its status.
            """)

    @Argument(help: ArgumentHelp("A port's name, ttyX or /dev/ttyX.", valueName: "name")) var name: String?
    @Flag(help: "Print a JSON array with one object for each port.") var json = false

    /// The status of one port, or the reason why it is unavailable.
    struct Row {
        let name: DeviceName
        let answer: Result<PortStatus, PortControlError>
    }

    func run() throws {
        let rows = try name.map { [try one($0)] } ?? Self.all()
        let now = Int64(time(nil))
        let claims = Claims()
        if json {
            print(JSON.array(rows.map { Self.json($0, claims) }).text)
            return
        } else if name != nil, case .success(let status)? = rows.first?.answer {
            StatusText.details(of: status, now: now).forEach { print($0) }
        } else if rows.isEmpty {
            print("no port is running")
        } else {
            StatusText.table(rows, now: now).forEach { print($0) }
        }
        claims.lines(name == nil ? nil : rows.first?.name).forEach { print($0) }
    }

    private func one(_ text: String) throws -> Row {
        do {
            let name = try DeviceName(text)
            return Row(name: name, answer: .success(try PortControlClient(name).status()))
        } catch {
            throw Failure("\(error)")
        }
    }

    /// All running ports. Sockets left by killed ports are ignored.
    private static func all() -> [Row] {
        PortControl.list().compactMap { name in
            do throws(PortControlError) {
                return Row(name: name, answer: .success(try PortControlClient(name).status()))
            } catch {
                if case .noSuchPort = error { return nil }
                return Row(name: name, answer: .failure(error))
            }
        }
    }

    private static func json(_ row: Row, _ claims: Claims) -> JSON {
        switch row.answer {
        case .failure(let error): ["name": .string("\(row.name)"), "error": .string("\(error)")]
        case .success(let status): status.json(claims)
        }
    }
}

extension PortStatus {
    /// In JSON: times are Unix time in seconds; missing values are null.
    fileprivate func json(_ claims: Claims) -> JSON {
        [
            "name": .string("\(name)"), "device": .string("/dev/\(name)"), "major": JSON(major), "minor": JSON(minor),
            "pid": JSON(pid), "servers": .array(servers.map { .string("\($0)") }), "peer": JSON(peer),
            "link": .string(link.rawValue), "since": JSON(since), "started": JSON(started),
            "settings": .string(settings), "outputs": Self.list(outputs), "inputs": Self.list(inputs),
            "received": JSON(received), "transmitted": JSON(transmitted),
            "errors": [
                "framing": JSON(errors.framing), "parity": JSON(errors.parity), "overrun": JSON(errors.overrun),
                "break": JSON(errors.breaks), "bufferOverrun": JSON(errors.bufferOverrun),
            ],
            "reconnects": JSON(reconnects),
            "openers": .array(
                openers.map { opener in
                    let program = Program(thread: opener)
                    return ["pid": JSON(program.pid), "program": JSON(program.name)]
                }),
            "lastError": lastError.map { ["text": .string($0.text), "at": JSON($0.at)] } ?? .null,
            "claimant": claims.json(name), "retiring": .bool(isRetiring),
            "options": .array(options.map { .string($0) }),
        ]
    }

    private static func list(_ lines: ModemLines) -> JSON {
        lines == [] ? [] : .array("\(lines)".split(separator: " ").map { .string(String($0)) })
    }
}
