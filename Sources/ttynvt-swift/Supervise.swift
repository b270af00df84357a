import ArgumentParser
import Glibc
import Logging
import Logs
import Platform
import PortPlan
import Supervisor
import VirtualTTY

/// `ttynvt-swift supervise`: runs a port for each announcement and each configured port.
struct Supervise: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep a port running for each serial port announced on the network.",
        discussion: """
            SIGTERM ends the supervisor and leaves its ports running, for the next one to adopt; SIGINT (Ctrl-C) ends \
            the ports as well; SIGHUP reads the configuration anew.
            """)

    @Option(
        name: [.customShort("m"), .long],
        help: ArgumentHelp("Major number of all ports, instead of the configuration's.", valueName: "number"))
    var major: UInt32?

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config: String?

    @Option(help: "How ports are started: systemd, children (child processes), or auto (systemd if it runs).")
    var launcher = Supervisor.Settings.Backend.auto

    @Option(help: ArgumentHelp("The file that stores minor numbers and hosts of ports.", valueName: "file"))
    var state = Supervisor.Settings().state

    @Flag(name: .customShort("E"), help: "Log to standard error even if the journal is available.")
    var logToStandardError = false

    @Option(
        name: [.customShort("D"), .long],
        help: ArgumentHelp("Log level: 0 (errors) to 5 (everything).", valueName: "level"))
    var debug = LogLevel.notice.rawValue

    func validate() throws {
        if let major, major >= 512 { throw ValidationError("major takes 0 to 511, not \(major) (-m)") }
    }

    func run() throws {
        let log = makeLogger(level: debug, toStandardError: logToStandardError)
        do {
            // Errors at the start are printed; later ones are logged.
            var configuration: Configuration? = try load { print($0, to: &StandardError.stream) }
            Signals.block()
            let supervisor = try Supervisor(
                settings,
                configure: {
                    defer { configuration = nil }
                    return configuration ?? (try? load { log.error("\($0)") })
                }, log: log)
            try supervisor.run()
        } catch {
            throw Failure("\(error)")
        }
    }

    private var settings: Supervisor.Settings {
        var settings = Supervisor.Settings()
        settings.backend = launcher
        settings.state = state
        return settings
    }

    /// The configuration; the defaults, if no file is given and the default file does not exist.
    /// - Parameter tell: receives each error.
    private func load(_ tell: (String) -> Void) throws -> Configuration {
        let path = config ?? ConfigurationFile.defaultPath
        var configuration = Configuration()
        if config != nil || access(path, F_OK) == 0 {
            let file: ConfigurationFile
            do {
                file = try ConfigurationFile(path)
            } catch {
                tell("\(error)")
                throw error
            }
            guard file.faults.isEmpty else {
                for fault in file.faults { tell(fault) }
                throw Failure("\(path) has errors: see above, or run ttynvt-swift check-config")
            }
            configuration = file.configuration
        }
        if let major { configuration.major = major }
        return configuration
    }
}

extension Supervisor.Settings.Backend: ExpressibleByArgument {}

/// Standard error, for lines outside the log.
struct StandardError: TextOutputStream {
    nonisolated(unsafe) static var stream = StandardError()

    func write(_ string: String) {
        var string = string
        string.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
