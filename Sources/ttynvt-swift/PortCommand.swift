import ArgumentParser
import CUSEDevice
import Glibc
import Logging
import Logs
import Platform
import PortRuntime
import RemotePort
import SerialLine
import VirtualTTY

/// `ttynvt-swift -S host:port -n name`: one port, in the foreground, until it is ended by a signal.
struct PortCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port", abstract: "Make one remote serial port a device of this machine (the default command).",
        usage: "ttynvt-swift port --server <host:port> --name <name> [<options>]")

    @Option(
        name: [.customShort("S"), .long],
        help: ArgumentHelp("The RFC 2217 server; several, with commas, are tried in order.", valueName: "host:port"))
    var server: String?

    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("The device's name, ttyX or /dev/ttyX.", valueName: "name")
    )
    var name: String?

    @Option(name: [.customShort("M"), .long], help: "Major number; 0 lets the kernel choose.")
    var major: UInt32 = 0

    @Option(name: [.customShort("m"), .long], help: "Minor number.")
    var minor: UInt32 = 0

    @Flag(name: .customShort("f"), help: "Stay in the foreground: always so, accepted for compatibility.")
    var foreground = false

    /// Who starts a port as a supervisor says so, and finds its ports again by it.
    @Option(help: .hidden) var supervised: String?

    @Flag(name: .customShort("E"), help: "Log to standard error even where the journal would be used.")
    var logToStandardError = false

    @Option(
        name: [.customShort("D"), .long],
        help: ArgumentHelp("How much is logged: 0 errors … 5 every Telnet command in words.", valueName: "level"))
    var debug = LogLevel.notice.rawValue

    @Option(name: .long, help: "The group that may use the device, where no udev rule says so.")
    var group = Self.defaultGroup

    @Option(name: .long, help: "Whose the device is, where no udev rule says so.")
    var owner = Self.defaultOwner

    @Option(name: .long, help: ArgumentHelp("Its mode, where no udev rule says so.", valueName: "octal"))
    var mode = NodeMode(rawValue: 0o660)

    @Option(
        name: .long,
        help:
            "The user to become once the device exists, if started as root: ttynvt if that user exists, else nobody."
    )
    var user: String?

    @Flag(
        name: .long, help: "Connect once at the start, and end if the server is not there or does not speak RFC 2217.")
    var check = false

    @OptionGroup var options: PortOptions

    /// This is the default command, so a mistyped one comes to it as a word.
    @Argument(help: .hidden) var words: [String] = []

    /// A supervised port has its servers from the environment: command lines are for all to see.
    private var serverList: String? {
        server ?? (supervised == nil ? nil : getenv("TTYNVT_SERVERS").map { String(cString: $0) })
    }

    func validate() throws {
        if let word = words.first {
            throw ValidationError("unknown command '\(word.singleLine)'; see ttynvt-swift --help")
        }
        guard serverList != nil else { throw ValidationError("Missing expected argument '--server <host:port>'") }
        guard name != nil else { throw ValidationError("Missing expected argument '--name <name>'") }
    }

    func run() throws {
        let name: DeviceName
        let servers: [Endpoint]
        let server = serverList ?? ""
        Privileges.hideMemory()
        do {
            name = try DeviceName(self.name ?? "")
            servers = try [Endpoint](parsingList: server)
            try DeviceNode.check(name, major: major, minor: minor)
        } catch let error as EndpointListError {
            throw Failure("illegal server '\(server)' (-S): \(error)")
        } catch {
            throw Failure("\(error)")
        }
        guard major < 512, minor < 1 << 20 else {
            throw Failure("illegal device number \(major):\(minor): major is below 512, minor below 1048576 (-M, -m)")
        }
        try checkUserAndGroup()
        Privileges.gainNoMore()
        Signals.block()
        try PortProcess(name: name, servers: servers, command: self, log: makeLog(name, servers)).run()
    }

    /// Only root can become somebody. The defaults may be missing: then a number stands for them, or udev's word holds.
    private func checkUserAndGroup() throws {
        guard geteuid() == 0 else { return }
        if let user, Privileges.user(named: user) == nil { throw Failure("no user '\(user)' (--user)") }
        guard owner == Self.defaultOwner || Privileges.user(named: owner) != nil else {
            throw Failure("no user '\(owner)' (--owner)")
        }
        guard group == Self.defaultGroup || Privileges.group(named: group) != nil else {
            throw Failure("no group '\(group)' (--group)")
        }
    }

    private static let defaultGroup = "dialout"
    private static let defaultOwner = "root"

    var logLevel: LogLevel { LogLevel(clamping: debug) }

    private func makeLog(_ name: DeviceName, _ servers: [Endpoint]) -> PortLog {
        var logger = makeLogger(level: debug, toStandardError: logToStandardError)
        logger[metadataKey: "port"] = "\(name)"
        let log = PortLog(logger)
        log.setServers(servers)
        return log
    }
}

/// An error whose description is all that is to be said: one line, and exit status 1.
struct Failure: Error, CustomStringConvertible {
    let description: String

    /// - Parameter description: one line, whatever it quotes.
    init(_ description: String) { self.description = LogLine.clean(description) }
}

/// A node's mode, in octal: `660` or `0660`.
struct NodeMode: RawRepresentable, ExpressibleByArgument, CustomStringConvertible {
    let rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init?(argument: String) {
        guard let mode = UInt32(argument, radix: 8), mode <= 0o777, argument.first != "+" else { return nil }
        self.init(rawValue: mode)
    }

    var description: String { "0" + String(rawValue, radix: 8) }
    var defaultValueDescription: String { description }
}
