import SerialLine

/// The configuration file, as ttynvt-swift.conf(5) describes it.
package struct Configuration: Equatable, Sendable {
    /// DNS-SD service types to look for.
    package var types = ["_ttynvt._tcp"]
    /// The announced names that become ports, and the interfaces from which announcements are accepted.
    package var names = AccessList()
    package var interfaces = AccessList()
    /// Whether announcements of this machine itself are accepted.
    package var local = false
    /// Networks from which addresses are accepted, besides those of the interface on which they were received.
    package var addresses: [Subnet] = []
    /// The hosts from which announcements are accepted, unless a section sets something else.
    package var trust = Trust.firstUse
    /// The sections about interfaces, in the file's order.
    package var interfaceSections: [InterfaceSection] = []
    /// How long an announcement may be missing before the port is removed, in nanoseconds.
    package var grace: UInt64 = .seconds(5)
    /// Most ports; further ones are refused.
    package var maxPorts = 1024
    /// The major number of all ports.
    package var major: UInt32 = 199
    /// Options of every port: long option names of the `port` command, without `--`.
    package var options: [PortOption] = []
    /// The sections about ports, in the file's order.
    package var sections: [PortSection] = []

    package init() {}

    /// The options of a port: the general ones, then those of each section that matches it.
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

    /// The section for exactly this port.
    package func section(of name: String) -> PortSection? {
        sections.first { $0.pattern.isLiteral && $0.pattern.description == name }
    }

    /// Whether the configuration sets this port's server or host.
    package func isConfigured(_ name: String) -> Bool {
        section(of: name).map { !$0.servers.isEmpty || $0.host != nil } ?? false
    }

    /// The hosts from which a port's announcements are accepted: by its own section, else by the last pattern that
    /// matches it, else by its interface's section, else by the general setting.
    /// - Parameter interface: the interface on which it is announced; nil if unknown.
    package func trust(of name: String, on interface: String?) -> Trust {
        if let trust = section(of: name)?.trust { return trust }
        if let section = sections.last(where: { $0.trust != nil && $0.pattern.matches(name) }),
            let trust = section.trust
        {
            return trust
        }
        guard let interface else { return trust }
        let literal = interfaceSections.first { $0.pattern.isLiteral && $0.pattern.description == interface }
        return literal?.trust ?? interfaceSections.last { $0.trust != nil && $0.pattern.matches(interface) }?.trust
            ?? trust
    }

    /// Whether `/dev/ttyNAME` could be a kernel driver's name (capital letters and a number), and no line allows it.
    package func isKernelLike(_ name: String) -> Bool {
        let units = Array(name.utf8)
        let letters = units.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }.count
        let isLike =
            (1...6).contains(letters) && letters < units.count
            && units[letters...].allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return isLike && !names.allow.contains { $0.matches(name) } && !isConfigured(name)
    }
}

/// `[interface NAME]`: options for announcements received on one interface, or on all that match a pattern.
package struct InterfaceSection: Equatable, Sendable {
    package let pattern: Pattern
    package var trust: Trust?

    init(pattern: Pattern) { self.pattern = pattern }
}

/// One option of the `port` command, without `--`.
package struct PortOption: Equatable, Sendable {
    package let key: String
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// Options without a value on the command line; in the file they are yes or no.
    package static let flags: Set<String> = ["kernel-ldisc"]

    /// Options whose value is a time; the file may give it with a unit.
    package static let times: Set<String> = ["linger", "connect-timeout", "loss-timeout", "dead-after"]

    /// The option in the form of the `port` command's arguments.
    package var arguments: [String] {
        if Self.flags.contains(key) { return value == "yes" ? ["--\(key)"] : [] }
        return ["--\(key)=\(value)"]
    }
}

/// `[port NAME]`: settings of one port, or of all that match a pattern.
package struct PortSection: Equatable, Sendable {
    package let pattern: Pattern
    /// The server's addresses, if the port is not found by its announcement.
    package var servers: [Endpoint] = []
    package var minor: UInt32?
    /// The hosts from which announcements are accepted.
    package var trust: Trust?
    /// Only this host's announcements are accepted, and only on this interface.
    package var host: HostName?
    package var interface: String?
    package var options: [PortOption] = []

    init(pattern: Pattern) { self.pattern = pattern }
}
