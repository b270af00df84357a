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
            Prints a table of all ports; with a name, the full status of that port. A user who may read a port's \
            device may see its status. On a terminal, columns that do not fit are left out, and NO_COLOR=1 switches \
            colours off.

            With --exit-code the exit status is 0 if all ports are connected or ready, 1 if a port is connecting, has \
            lost its connection or does not answer, and 2 if no port is running.
            """)

    @Argument(help: ArgumentHelp("A port's name, ttyX or /dev/ttyX.", valueName: "name")) var name: String?
    @Flag(help: "Print a JSON array with one object for each port.") var json = false
    @Flag(help: "Exit with 1 if a port is down, and with 2 if no port is running.") var exitCode = false

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
            return try exit(rows)
        } else if name != nil, case .success(let status)? = rows.first?.answer {
            StatusText.details(of: status, now: now).forEach { print($0) }
        } else if rows.isEmpty {
            print("no port is running")
            Self.nextSteps().forEach { print($0) }
        } else {
            StatusText.table(rows, now: now, Self.screen()).forEach { print($0) }
        }
        claims.lines(name == nil ? nil : rows.first?.name).forEach { print($0) }
        try exit(rows)
    }

    private func exit(_ rows: [Row]) throws {
        guard exitCode else { return }
        if rows.isEmpty { throw ExitCode(2) }
        let isDown = rows.contains { row in
            guard let status = try? row.answer.get() else { return true }
            return status.link == .connecting || status.link == .lost
        }
        if isDown { throw ExitCode(1) }
    }

    /// What runs on this machine, and what to do, if there is no port.
    private static func nextSteps() -> [String] {
        var lines: [String] = []
        do throws(SupervisorControl.Failure) {
            _ = try SupervisorControl.names()
            lines.append("the supervisor is running")
        } catch .notRunning {
            lines.append("the supervisor is not running: sudo systemctl start ttynvt-supervisor")
        } catch { lines.append("\(error)") }
        let hasAvahi = FileSystem.exists("/run/avahi-daemon/socket")
        lines.append("Avahi is " + (hasAvahi ? "running" : "not running: sudo systemctl start avahi-daemon"))
        lines.append(
            "'ttynvt-swift browse' lists announced ports; a port by hand: sudo ttynvt-swift -S HOST:PORT -n NAME")
        return lines
    }

    /// The group whose members may ask a port, and the command that adds this user to it; empty if either is unknown.
    private static func remedy(_ name: DeviceName) -> String {
        var node = stat()
        guard stat("/dev/\(name)", &node) == 0, node.st_mode & S_IRGRP != 0,
            let group = getgrgid(node.st_gid).map({ String(cString: $0.pointee.gr_name) }),
            let user = getpwuid(getuid()).map({ String(cString: $0.pointee.pw_name) })
        else { return "" }
        return ": members of group \(group) have it (sudo usermod -aG \(group) \(user), then log in again)"
    }

    private static func screen() -> StatusText.Screen {
        guard isatty(STDOUT_FILENO) != 0 else { return StatusText.Screen() }
        var size = winsize()
        let hasSize = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let colour = getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
        return StatusText.Screen(width: hasSize ? Int(size.ws_col) : nil, hasColour: colour)
    }

    private func one(_ text: String) throws -> Row {
        do {
            let name = try DeviceName(text)
            return Row(name: name, answer: .success(try PortControlClient(name).status()))
        } catch PortControlError.notPermitted(let name) {
            throw Failure("\(PortControlError.notPermitted(name))\(Self.remedy(name))")
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
