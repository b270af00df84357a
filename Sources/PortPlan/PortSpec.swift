import SerialLine

/// The intended state of a port.
package struct PortSpec: Equatable, Sendable {
    package let name: DeviceName
    /// The servers, in the order in which they are tried. They may change while the port runs.
    package var servers: [Endpoint]
    /// The options of its process, without the servers: a change of these requires a new process.
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

    /// The reason for a port's existence. This option distinguishes a supervisor's ports from those started by hand,
    /// and tells the next supervisor which of them are wanted because of the network alone.
    package enum Origin: String, CaseIterable, Sendable {
        case announced
        case configured

        /// - Parameter options: a port's options; nil if they are not a supervisor's.
        package init?(options: [String]) {
            guard let origin = Self.allCases.first(where: { options.contains("--supervised=\($0.rawValue)") }) else {
                return nil
            }
            self = origin
        }
    }

    /// The arguments of the `port` command. None contains a character with a special meaning to a shell or to
    /// systemd.
    package var arguments: [String] { ["-S", servers.listed] + options }
}

/// A running port.
package struct RunningPort: Equatable, Sendable {
    package var servers: [Endpoint]
    /// The options of its process, without the servers.
    package var options: [String]
    /// It ends once no program has it open.
    package var isRetiring: Bool

    package init(servers: [Endpoint], options: [String], isRetiring: Bool) {
        self.servers = servers
        self.options = options
        self.isRetiring = isRetiring
    }
}
