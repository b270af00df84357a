import SerialLine

/// A port as it is to run.
package struct PortSpec: Equatable, Sendable {
    package let name: DeviceName
    /// Where it is, in the order to try. May change while the port runs.
    package var servers: [Endpoint]
    /// What it is started with, but for the servers: a change of these needs a new process.
    package let options: [String]

    package init(name: DeviceName, servers: [Endpoint], options: [String]) {
        self.name = name
        self.servers = servers
        self.options = options
    }

    /// - Parameter options: of the `port` command, without `--`.
    init(
        name: DeviceName, servers: [Endpoint], origin: Origin, major: UInt32, minor: UInt32, options: [PortOption]
    ) {
        self.init(
            name: name, servers: servers,
            options: ["--supervised=\(origin.rawValue)", "-n", "\(name)", "-M", "\(major)", "-m", "\(minor)"]
                + options.flatMap(\.arguments))
    }

    /// Why a port is there. Its option tells a supervisor's ports from those that somebody started by hand, and the next
    /// supervisor which of them only the network can say to be unwanted.
    package enum Origin: String, CaseIterable, Sendable {
        case announced
        case configured

        /// - Parameter options: a port's; nil where it is no supervisor's.
        package init?(options: [String]) {
            guard let origin = Self.allCases.first(where: { options.contains("--supervised=\($0.rawValue)") }) else {
                return nil
            }
            self = origin
        }
    }

    /// The arguments of the `port` command. None of them has a character that a shell or systemd would take for more
    /// than itself.
    package var arguments: [String] { ["-S", servers.listed] + options }
}

/// A port as it runs.
package struct RunningPort: Equatable, Sendable {
    package var servers: [Endpoint]
    /// What it was started with, but for the servers.
    package var options: [String]
    /// It ends when no program has it open any more.
    package var isRetiring: Bool

    package init(servers: [Endpoint], options: [String], isRetiring: Bool) {
        self.servers = servers
        self.options = options
        self.isRetiring = isRetiring
    }
}
