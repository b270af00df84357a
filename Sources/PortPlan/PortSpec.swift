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
    init(name: DeviceName, servers: [Endpoint], major: UInt32, minor: UInt32, options: [PortOption]) {
        self.init(
            name: name, servers: servers,
            options: [Self.mark, "-n", "\(name)", "-M", "\(major)", "-m", "\(minor)"]
                + options.map { "--\($0.key)=\($0.value)" })
    }

    /// The option that tells a supervisor's ports from those that somebody started by hand.
    package static let mark = "--supervised"

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
