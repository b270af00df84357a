import ArgumentParser
import Discovery
import Glibc
import Logs
import Platform
import SerialLine
import SystemBus

/// `ttynvt-swift browse`: the announced ports, and their device names.
struct Browse: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the ports that servers announce on the local network (through Avahi).",
        discussion: """
            DEVICE is the name that a port would get in /dev, or why its name cannot be one. With --watch, lines begin \
            with + for a service that is there, ~ for one that has changed, - for one that is gone.
            """)

    @Argument(help: ArgumentHelp("Service types.", valueName: "type"))
    var types = ["_ttynvt._tcp"]

    @Flag(help: "JSON: an array, or with --watch an object in each line.") var json = false

    @Flag(help: "Keep running and print changes, until Ctrl-C.") var watch = false

    @Option(help: ArgumentHelp("Longest time to wait for a complete list.", valueName: "seconds"))
    var timeout = 10.0

    func validate() throws {
        guard timeout >= 0.1, timeout <= 3600 else {
            throw ValidationError("--timeout takes 0.1 to 3600 seconds, not \(timeout)")
        }
        for type in types where !Self.isServiceType(type) {
            throw ValidationError("illegal service type '\(LogLine.clean(type))': write one like _ttynvt._tcp")
        }
    }

    /// RFC 6763, section 7: `_name._tcp` or `_name._udp`.
    static func isServiceType(_ type: String) -> Bool {
        let labels = type.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count == 2, labels[1] == "_tcp" || labels[1] == "_udp", labels[0].first == "_" else {
            return false
        }
        let name = labels[0].dropFirst()
        return (1...63).contains(name.utf8.count)
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }

    func run() throws {
        let bus: SystemBus
        do { bus = try SystemBus.open() } catch { throw Failure("\(error)") }
        if watch {
            try BrowseWatch(types, json: json).run(bus)
        } else {
            try listOnce(bus)
        }
    }

    private func listOnce(_ bus: SystemBus) throws {
        let browser = ServiceBrowser(
            bus: bus, types: types, maxUnresolved: 2048, settling: .milliseconds(100), report: Self.note, onChange: {})
        browser.start()
        let end = MonotonicTime.now + UInt64(timeout * 1e9)
        while browser.state != .current, MonotonicTime.now < end {
            do { try browser.wait(on: bus, until: end) } catch { throw Failure("\(error)") }
            if browser.isAvahiMissing { throw Failure(Self.noAvahi) }
        }
        if browser.state != .current { Self.note("not everything was answered within \(timeout) s") }
        if json {
            print(JSON.array(browser.services.map { .object($0.members) }).text)
        } else if browser.services.isEmpty {
            print("no service found: no \(types.joined(separator: ", ")) is announced")
        } else {
            for line in ServiceTable(browser.services, showsTypes: types.count > 1).lines { print(line) }
            Claims().lines().forEach { print($0) }
        }
    }

    static let noAvahi = "Avahi is not running: start it with 'systemctl start avahi-daemon' (package avahi-daemon)"

    /// Prints a line on standard error.
    static func note(_ text: String) {
        var line = LogLine.clean(text) + "\n"
        line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension ServiceBrowser {
    /// Waits for an event of the bus or a timer, and handles it.
    func wait(on bus: SystemBus, until end: MonotonicTime? = nil) throws {
        let deadline = [end, nextDeadline, bus.deadline].compactMap { $0 }.min()
        var descriptors = [pollfd(fd: bus.descriptor, events: bus.events, revents: 0)]
        try waitForEvents(&descriptors, nanoseconds: deadline?.nanosecondsFromNow)
        try bus.process()
        advance(.now)
    }
}

extension DiscoveredService {
    /// The path of its device, or the reason why it gets none.
    var device: Result<String, DeviceName.Illegal> {
        Result { () throws(DeviceName.Illegal) in "/dev/\(try DeviceName("tty" + name))" }
    }

    /// The service in JSON.
    var members: [(String, JSON)] {
        var members: [(String, JSON)] = [
            ("name", .string(name)), ("type", .string(type)), ("domain", .string(domain)),
            ("host", host.isEmpty ? .null : .string(host)), ("port", port.map { .number(Int64($0)) } ?? .null),
            ("addresses", .array(addresses.map { .string($0) })),
            ("endpoints", .array(endpoints.map { .string("\($0)") })),
            ("interfaces", .array(interfaces.map { .string($0) })),
            ("hosts", .array(hosts.map { .string($0) })),
            (
                "txt",
                .object(
                    txt.entries.map { entry in
                        (entry.key, entry.value.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null)
                    })
            ),
        ]
        switch device {
        case .success(let path): members.append(("device", .string(path)))
        case .failure(let error): members += [("device", .null), ("refused", .string(error.why))]
        }
        return members
    }

    /// All hosts that announce it, sorted.
    private var hosts: [String] { Set(claims.map(\.host)).sorted() }

    /// Its cells of the table, safe to print.
    var cells: [String] {
        let device =
            switch self.device {
            case .success(let path): path
            case .failure(let error): "refused: \(error.why)"
            }
        let txt = txt.entries.map { entry in
            entry.value.map { "\(entry.key)=\(String(decoding: $0, as: UTF8.self))" } ?? entry.key
        }
        return [
            name, host.isEmpty ? "not resolved" : host, isResolved ? addresses.joined(separator: ",") : "-",
            port.map { "\($0)" } ?? "-", device, txt.joined(separator: " "),
        ].map(LogLine.clean)
    }
}

/// Services in columns.
struct ServiceTable {
    let lines: [String]

    init(_ services: [DiscoveredService], showsTypes: Bool) {
        let header = ["NAME", "HOST", "ADDRESS", "PORT", "DEVICE", "TXT"] + (showsTypes ? ["TYPE"] : [])
        let rows = [header] + services.map { $0.cells + (showsTypes ? [LogLine.clean($0.type)] : []) }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        lines = rows.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
