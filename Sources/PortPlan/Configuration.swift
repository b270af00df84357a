import SerialLine

/// The configuration file, as ttynvt-swift.conf(5) describes it.
package struct Configuration: Equatable, Sendable {
    /// DNS-SD service types to look for.
    package var types = ["_ttynvt._tcp"]
    /// Which announced names become ports, and which interfaces announcements are taken from.
    package var names = AccessList()
    package var interfaces = AccessList()
    /// Do services that this machine itself announces count?
    package var local = false
    /// Networks that addresses may be on, besides those of the interface on which they were heard.
    package var addresses: [Subnet] = []
    /// The hosts from which announcements are taken, unless a section says otherwise.
    package var trust = Trust.firstUse
    /// The sections on interfaces, in the file's order.
    package var interfaceSections: [InterfaceSection] = []
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

    /// The section that names this port alone.
    package func section(of name: String) -> PortSection? {
        sections.first { $0.pattern.isLiteral && $0.pattern.description == name }
    }

    /// Does the configuration give this port's server or host?
    package func isConfigured(_ name: String) -> Bool {
        section(of: name).map { !$0.servers.isEmpty || $0.host != nil } ?? false
    }

    /// From which hosts a port's announcements are taken: as its own section says, else as the last section that covers
    /// it, else as its interface's section says, else as holds for all.
    /// - Parameter interface: it is announced there; nil if the interface is not known.
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

    /// Could a driver of the kernel give `/dev/ttyNAME`, capital letters and a number, and does no line allow the name?
    package func isKernelLike(_ name: String) -> Bool {
        let units = Array(name.utf8)
        let letters = units.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }.count
        let isLike =
            (1...6).contains(letters) && letters < units.count
            && units[letters...].allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return isLike && !names.allow.contains { $0.matches(name) } && !isConfigured(name)
    }
}

/// `[interface NAME]`: options for announcements heard on an interface, or on all that a pattern covers.
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
    /// From which hosts announcements are taken.
    package var trust: Trust?
    /// Only this host's announcements count, and only on this interface.
    package var host: HostName?
    package var interface: String?
    package var options: [PortOption] = []

    init(pattern: Pattern) { self.pattern = pattern }
}
