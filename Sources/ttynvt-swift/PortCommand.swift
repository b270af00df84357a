import ArgumentParser
import PortPlan
import Logs
import Platform
import SerialLine
import VirtualTTY

/// `ttynvt-swift -S host:port -n name`: runs one port in the foreground, until a signal ends it.
struct PortCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port", abstract: "Create a local device for one remote serial port (the default command).",
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

    @Flag(name: .customShort("f"), help: "Stay in the foreground. Always the case; accepted for compatibility.")
    var foreground = false

    /// The supervisor's mark, by which it finds its ports again.
    @Option(help: .hidden) var supervised: String?

    @Flag(name: .customShort("E"), help: "Log to standard error even if the journal is available.")
    var logToStandardError = false

    @Option(
        name: [.customShort("D"), .long],
        help: ArgumentHelp("Log level: 0 (errors) to 5 (every Telnet command in words).", valueName: "level"))
    var debug = LogLevel.notice.rawValue

    @Option(name: .long, help: "Group of the device node, if no udev rule sets it.")
    var group = PortSettings.defaultGroup

    @Option(name: .long, help: "Owner of the device node, if no udev rule sets it.")
    var owner = PortSettings.defaultOwner

    @Option(name: .long, help: ArgumentHelp("Mode of the device node, if no udev rule sets it.", valueName: "octal"))
    var mode = NodeMode(rawValue: 0o660)

    @Option(
        name: .long,
        help:
            "User to switch to after creating the device, if started as root: ttynvt if it exists, else nobody."
    )
    var user: String?

    @Flag(
        name: .long,
        help: "Connect once at the start, and exit if the server is unreachable or does not speak RFC 2217.")
    var check = false

    @OptionGroup var options: PortOptions

    /// This is the default command, so a mistyped command arrives here as a word.
    @Argument(help: .hidden) var words: [String] = []

    func validate() throws {
        if let word = words.first {
            let commands = TTYNVT.configuration.subcommands.filter { $0.configuration.shouldDisplay }
            let hint = Suggestion.text(for: word, among: commands.map { $0._commandName })
            throw ValidationError(
                "unknown command '\(word.singleLine)'\(hint.isEmpty ? "; see ttynvt-swift --help" : hint)")
        }
        guard settings.serverList != nil else {
            throw ValidationError("Missing expected argument '--server <host:port>'")
        }
        guard name != nil else { throw ValidationError("Missing expected argument '--name <name>'") }
    }

    func run() throws { try settings.run() }

    /// The settings that the options express.
    var settings: PortSettings {
        var settings = PortSettings(configuration: options.configuration)
        settings.server = server
        settings.name = name
        settings.major = major
        settings.minor = minor
        settings.isSupervised = supervised != nil
        settings.logsToStandardError = logToStandardError
        settings.logLevel = debug
        settings.group = group
        settings.owner = owner
        settings.mode = mode
        settings.user = user
        settings.checks = check
        return settings
    }
}

/// An error that prints its description only: one line, and exit status 1.
struct Failure: Error, CustomStringConvertible {
    let description: String

    /// - Parameter description: one line, made safe to print.
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
