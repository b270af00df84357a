import SerialLine

/// The configuration file, as ttynvt-swift.conf(5) describes it.
package struct Configuration: Equatable, Sendable {
    /// DNS-SD service types to look for.
    package var types = ["_ttynvt._tcp"]
    /// Which announced names become ports, and which interfaces announcements are taken from.
    package var names = AccessList()
    package var interfaces = AccessList()
    /// How long a vanished announcement counts as a flap, in nanoseconds.
    package var grace: UInt64 = .seconds(5)
    /// More ports than this are refused.
    package var maxPorts = 1024
    /// The major number of all ports.
    package var major: UInt32 = 199
    /// Options of every port: long names of the `port` command's, without `--`.
    package var options: [PortOption] = []
    /// What is said about single ports, in the file's order.
    package var sections: [PortSection] = []

    package init() {}

    /// The options that hold for a port: those of all, then those of each section that covers it.
    package func options(of name: String) -> [PortOption] {
        var options = options
        for section in sections where section.pattern.matches(name) {
            for option in section.options {
                options.removeAll { $0.key == option.key }
                options.append(option)
            }
        }
        return options.sorted { $0.key < $1.key }
    }
}

/// One option of the `port` command, without `--`.
package struct PortOption: Equatable, Sendable {
    package let key: String
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// Those that are given or not, and have no value on a command line: yes or no in a file.
    package static let flags: Set<String> = ["kernel-ldisc"]

    /// On the `port` command's line.
    package var arguments: [String] {
        if Self.flags.contains(key) { return value == "yes" ? ["--\(key)"] : [] }
        return ["--\(key)=\(value)"]
    }
}

/// `[port NAME]`: what holds for one port, or for all that a pattern covers.
package struct PortSection: Equatable, Sendable {
    package let pattern: Pattern
    /// Where the port is, if it is not to be looked for on the network.
    package var servers: [Endpoint] = []
    package var minor: UInt32?
    package var options: [PortOption] = []

    init(pattern: Pattern) { self.pattern = pattern }
}
