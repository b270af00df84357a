import PortPlan
import SerialLine

/// The configuration file, read and changed. The first byte chooses the port that is asked about, and given a server.
enum ConfigurationFuzz {
    private static let ports = ["MIO04-1-com1", "a", "com", "X.Y_z", "b-1"]

    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            guard let first = bytes.first, let text = String(validating: bytes.dropFirst(), as: UTF8.self) else {
                return
            }
            let port = ports[Int(first) % ports.count]
            let (configuration, errors) = parse(text)
            let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
            try Violation.unless(errors.count <= 101, "\(errors.count) errors")
            for error in errors {
                try Violation.unless((1...lines).contains(error.line), "an error in line \(error.line) of \(lines)")
            }
            try check(configuration)
            try ask(configuration, port)
            try edit(text, port, configuration, errors)
        }
    }

    private static func parse(_ text: String) -> (configuration: Configuration, errors: [ConfigurationError]) {
        ConfigurationParser.parse(text) { key, _ in PortOption.keys.contains(key) ? nil : "unknown key '\(key)'" }
    }

    private static func check(_ configuration: Configuration) throws(Violation) {
        let minors = configuration.sections.compactMap(\.minor)
        try Violation.unless(Set(minors).count == minors.count, "a minor is assigned twice")
        for section in configuration.sections {
            try Violation.unless(section.servers.count <= [Endpoint].mostServers, "\(section.servers.count) servers")
            try Violation.unless(
                section.pattern.isLiteral || (section.servers.isEmpty && section.minor == nil && section.host == nil),
                "a pattern has a server")
            for endpoint in section.servers {
                try Violation.unless(
                    (try? Endpoint(parsing: "\(endpoint)")) == endpoint, "\(endpoint) reads differently")
            }
        }
        try Violation.unless(configuration.grace <= .seconds(3600) && configuration.maxPorts <= 4096, "out of range")
        for subnet in configuration.addresses {
            try Violation.unless(Subnet("\(subnet)") == subnet, "\(subnet) reads differently")
        }
    }

    /// What the planner asks for a port, and what would be ordered of the starter.
    private static func ask(_ configuration: Configuration, _ port: String) throws(Violation) {
        _ = configuration.trust(of: port, on: "eth0")
        _ = configuration.names.admits(port)
        _ = configuration.isKernelLike(port)
        let options = configuration.options(of: port)
        try Violation.unless(Set(options.map(\.key)).count == options.count, "an option holds twice")
        for pattern in (configuration.sections.map(\.pattern) + configuration.names.allow).prefix(20)
        where pattern.description.utf8.count <= 16 {
            try Violation.unless(
                pattern.matches(port) == covers(Array(pattern.description.utf8)[...], Array(port.utf8)[...]),
                "'\(pattern)' and \(port)")
        }
    }

    /// `Pattern.matches`, as it is said.
    private static func covers(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == UInt8(ascii: "*") {
            // Two stars are one.
            if pattern.dropFirst().first == first { return covers(pattern.dropFirst(), text) }
            return (text.startIndex...text.endIndex).contains { covers(pattern.dropFirst(), text[$0...]) }
        }
        guard let byte = text.first, first == UInt8(ascii: "?") || first == byte else { return false }
        return covers(pattern.dropFirst(), text.dropFirst())
    }

    /// A command writes a server for the port: the file then says so, and all else as before.
    private static func edit(
        _ text: String, _ port: String, _ before: Configuration, _ errors: [ConfigurationError]
    ) throws(Violation) {
        let server = "192.0.2.9:4001"
        guard errors.isEmpty, let edited = try? ConfigurationEdit.set([("server", server)], ofPort: port, in: text)
        else { return }
        let (after, faults) = parse(edited)
        try Violation.unless(faults.isEmpty, "the change makes it wrong: \(faults)")
        try Violation.unless(after.section(of: port)?.servers.map(\.description) == [server], "the server is not there")
        var rest = after
        rest.sections.removeAll { $0.pattern.description == port }
        var old = before
        old.sections.removeAll { $0.pattern.description == port }
        try Violation.unless(rest == old, "the change changes something else")
        let again = try? ConfigurationEdit.set([("server", server)], ofPort: port, in: edited)
        try Violation.unless(again == edited, "the same change a second time changes something")
    }
}
