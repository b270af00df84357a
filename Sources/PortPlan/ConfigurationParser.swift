import SerialLine

/// An error in the configuration file.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    package let line: Int
    package let text: String

    /// `LINE: TEXT`; callers prepend the file's name.
    package var description: String { "\(line): \(text)" }
}

/// Parses the configuration file: sections in brackets, `key = value` lines, comments after `#` or `;` at the
/// beginning of a line or behind a blank. All errors are found in one pass.
package struct ConfigurationParser {
    /// Returns the error in an option of the `port` command; nil if the option is valid.
    package typealias OptionCheck = (_ key: String, _ value: String) -> String?

    private enum Section {
        case discovery
        case ports
        case port(Int)
        case interface(Int)
        /// A section with an error in its header: its lines are ignored.
        case unknown
    }

    /// Longest line, in bytes.
    private static let longestLine = 4096
    /// Most errors listed.
    private static let mostErrors = 100

    private let checkOption: OptionCheck
    private var configuration = Configuration()
    private var errors: [ConfigurationError] = []
    private var section: Section?
    private var line = 0
    /// The line of each key, by `section key`.
    private var seen: [String: Int] = [:]
    private var sectionTitle = ""

    private init(_ checkOption: @escaping OptionCheck) { self.checkOption = checkOption }

    /// - Returns: the contents of the file, and its errors in the order of lines; if there are errors, the
    ///   configuration is incomplete.
    package static func parse(
        _ text: String, checkOption: @escaping OptionCheck
    ) -> (configuration: Configuration, errors: [ConfigurationError]) {
        var parser = ConfigurationParser(checkOption)
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
            parser.line += 1
            parser.take(line)
            if parser.errors.count >= mostErrors { break }
        }
        return (parser.configuration, parser.errors)
    }

    private mutating func fail(_ text: String) { errors.append(ConfigurationError(line: line, text: text)) }

    private mutating func take(_ raw: Substring) {
        guard raw.utf8.count <= Self.longestLine else {
            return fail("the line is longer than \(Self.longestLine) bytes")
        }
        let text = raw.trimmed
        guard let first = text.first, first != "#", first != ";" else { return }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 && $0.value != 9 || $0.value == 0x7F }) else {
            return fail("the line contains a control character")
        }
        if first == "[" { return takeHeader(text.withoutComment) }
        guard let equals = text.firstIndex(of: "=") else {
            return fail("'\(text)' is neither 'key = value' nor [section]")
        }
        let key = String(text[..<equals].trimmed)
        let value = String(text[text.index(after: equals)...].withoutComment.trimmed)
        guard let section else { return fail("'\(key)' is outside a section: put it below a [section]") }
        guard !key.isEmpty else { return fail("no key before '='") }
        if case .unknown = section { return }
        if let before = seen.updateValue(line, forKey: "\(sectionTitle) \(key)") {
            return fail("'\(key)' is already set in line \(before)")
        }
        switch section {
        case .discovery: takeDiscovery(key, value)
        case .ports: takeForAll(key, value)
        case .port(let index): takePort(key, value, index)
        case .interface(let index): takeInterface(key, value, index)
        case .unknown: break
        }
    }

    private mutating func takeHeader(_ text: Substring) {
        section = .unknown
        guard text.last == "]" else { return fail("'\(text)' lacks the closing ']'") }
        let words = text.dropFirst().dropLast().split { $0 == " " || $0 == "\t" }
        sectionTitle = words.joined(separator: " ")
        switch (words.first, words.count) {
        case ("discovery", 1): section = .discovery
        case ("ports", 1): section = .ports
        case ("port", 2): takePortHeader(String(words[1]))
        case ("port", _): fail("[port NAME] takes one name, without blanks")
        case ("interface", 2): takeInterfaceHeader(String(words[1]))
        case ("interface", _): fail("[interface NAME] takes one name, without blanks")
        default:
            let names = ["discovery", "interface", "ports", "port"]
            if let word = words.first, let name = Suggestion.nearest(to: String(word), among: names) {
                return fail("unknown section [\(sectionTitle)]: did you mean [\(name)\(words.count > 1 ? " …" : "")]?")
            }
            fail("unknown section [\(sectionTitle)]: use [discovery], [interface NAME], [ports] or [port NAME]")
        }
    }

    private mutating func takePortHeader(_ title: String) {
        // The device's name stands for the port's.
        let name = title.hasPrefix("tty") && title.utf8.count > 3 ? String(title.dropFirst(3)) : title
        let pattern = Pattern(name)
        // A pattern may match anything, but a name must be a valid port name.
        if pattern.isLiteral {
            do throws(DeviceName.Illegal) { _ = try DeviceName(port: name) } catch { return fail("\(error)") }
        }
        if let index = configuration.sections.firstIndex(where: { $0.pattern == pattern }) {
            section = .port(index)
        } else {
            configuration.sections.append(PortSection(pattern: pattern))
            section = .port(configuration.sections.count - 1)
        }
    }

    private mutating func takeInterfaceHeader(_ name: String) {
        let pattern = Pattern(name)
        if let index = configuration.interfaceSections.firstIndex(where: { $0.pattern == pattern }) {
            section = .interface(index)
        } else {
            configuration.interfaceSections.append(InterfaceSection(pattern: pattern))
            section = .interface(configuration.interfaceSections.count - 1)
        }
    }

    // Keys.

    private mutating func takeDiscovery(_ key: String, _ value: String) {
        switch key {
        case "types": takeTypes(value)
        case "allow-names": configuration.names.allow = value.patterns
        case "deny-names": configuration.names.deny = value.patterns
        case "allow-interfaces": configuration.interfaces.allow = value.patterns
        case "deny-interfaces": configuration.interfaces.deny = value.patterns
        case "allow-addresses": takeAddresses(value)
        case "local":
            guard let local = ["yes": true, "no": false][value] else {
                return fail("local takes yes or no, not '\(value)'")
            }
            configuration.local = local
        case "trust": if let trust = trust(value) { configuration.trust = trust }
        case "grace":
            guard let seconds = Double(value.inSeconds), seconds >= 0, seconds <= 3600 else {
                return fail("grace takes 0 to 3600 seconds, not '\(value)'")
            }
            configuration.grace = UInt64(seconds * 1e9)
        case "max-ports":
            guard let number = Int(value), (0...4096).contains(number) else {
                return fail("max-ports takes 0 to 4096, not '\(value)'")
            }
            configuration.maxPorts = number
        default: failUnknown(key, among: Self.discoveryKeys)
        }
    }

    private static let discoveryKeys = [
        "types", "allow-names", "deny-names", "allow-interfaces", "deny-interfaces", "allow-addresses", "local",
        "trust",
        "grace", "max-ports",
    ]

    private mutating func failUnknown(_ key: String, among keys: some Sequence<String>) {
        fail("unknown key '\(key)' in [\(sectionTitle)]\(Suggestion.text(for: key, among: keys))")
    }

    private mutating func takeTypes(_ value: String) {
        let types = value.words
        for type in types where !isServiceType(type) {
            return fail("'\(type)' is not a service type: write it like _ttynvt._tcp")
        }
        configuration.types = types
    }

    private mutating func takeAddresses(_ value: String) {
        var subnets: [Subnet] = []
        for word in value.words {
            guard let subnet = Subnet(word) else {
                return fail("'\(word)' is not a network: write it like 192.0.2.0/24 or 2001:db8::/32")
            }
            subnets.append(subnet)
        }
        configuration.addresses = subnets
    }

    private mutating func takeInterface(_ key: String, _ value: String, _ index: Int) {
        guard key == "trust" else { return failUnknown(key, among: ["trust"]) }
        if let trust = trust(value) { configuration.interfaceSections[index].trust = trust }
    }

    private mutating func trust(_ value: String) -> Trust? {
        if let trust = Trust(rawValue: value) { return trust }
        fail("trust takes \(Trust.allCases.map(\.rawValue).joined(separator: ", ")), not '\(value)'")
        return nil
    }

    private mutating func takeForAll(_ key: String, _ value: String) {
        switch key {
        case "major":
            guard let major = UInt32(value), major < 512 else { return fail("major takes 0 to 511, not '\(value)'") }
            configuration.major = major
        case "server", "minor", "host", "interface": fail("'\(key)' applies to one port: set it in [port NAME]")
        case "trust": fail("'trust' is not allowed here: set it in [discovery], [interface NAME] or [port NAME]")
        default: if let option = option(key, value) { configuration.options.append(option) }
        }
    }

    private mutating func takePort(_ key: String, _ value: String, _ index: Int) {
        switch key {
        case "server", "minor", "host", "interface":
            guard configuration.sections[index].pattern.isLiteral else {
                return fail("'\(key)' applies to one port, and [\(sectionTitle)] is a pattern")
            }
            if key == "minor" { return takeMinor(value, index) }
            if key != "server" { return takePin(key, value, index) }
            do throws(EndpointListError) {
                configuration.sections[index].servers = try [Endpoint](parsingList: value)
            } catch { fail("illegal server '\(value)': \(error)") }
        case "trust": configuration.sections[index].trust = trust(value)
        case "major": fail("'major' applies to all ports: set it in [ports]")
        default: if let option = option(key, value) { configuration.sections[index].options.append(option) }
        }
    }

    private mutating func takeMinor(_ value: String, _ index: Int) {
        guard let minor = UInt32(value), MinorTable.range.contains(minor) else {
            return fail(
                "minor takes \(MinorTable.range.lowerBound) to \(MinorTable.range.upperBound - 1), not '\(value)'")
        }
        if configuration.sections.contains(where: { $0.minor == minor }) {
            return fail("minor \(minor) is already set for another port")
        }
        configuration.sections[index].minor = minor
    }

    /// - Parameter key: `host` or `interface`.
    private mutating func takePin(_ key: String, _ value: String, _ index: Int) {
        guard !value.isEmpty, value.utf8.count <= HostName.longest,
            value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
        else { return fail("illegal \(key) '\(value)': one name, without blanks") }
        if key == "interface" {
            configuration.sections[index].interface = value
        } else if let host = HostName(value) {
            configuration.sections[index].host = host
        } else {
            fail("illegal host '\(value)': one name, without blanks")
        }
    }

    /// Keys of one port, and those of all, besides the options of the `port` command.
    private static let portKeys: Set<String> = ["server", "minor", "host", "interface", "trust"]

    private mutating func option(_ key: String, _ text: String) -> PortOption? {
        guard PortOption.keys.contains(key) else {
            failUnknown(key, among: PortOption.keys.union(Self.portKeys))
            return nil
        }
        let value = PortOption.times.contains(key) ? text.inSeconds : text
        // Values are written to an environment file and to a command line: they must not need quoting.
        guard !value.isEmpty, value.utf8.allSatisfy({ $0.isPlain }) else {
            fail("illegal value '\(value)' for '\(key)'")
            return nil
        }
        guard let canonical = rights(key, value) else { return nil }
        if let fault = checkOption(key, value) {
            fail(fault)
            return nil
        }
        return PortOption(key: key, value: canonical)
    }

    /// Checks the access rights of the node, in a form that udev accepts: udev applies an owner, a group and a mode
    /// of its own choice if it does not understand a value.
    private mutating func rights(_ key: String, _ value: String) -> String? {
        switch key {
        case "mode":
            guard (1...4).contains(value.utf8.count), value.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x37 }),
                let mode = UInt32(value, radix: 8), mode <= 0o777
            else {
                fail("mode takes an octal number from 0 to 0777, not '\(value)'")
                return nil
            }
            return String(repeating: "0", count: 4 - String(mode, radix: 8).utf8.count) + String(mode, radix: 8)
        case "owner", "group":
            if value.isAccount { return value }
            fail("\(key) takes a name (a-z, 0-9, _ and -) or a number, not '\(value)'")
            return nil
        default: return value
        }
    }
}

/// Whether a text has the form `_name._tcp` (RFC 6763 section 7).
package func isServiceType(_ text: String) -> Bool {
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count == 2, labels[1] == "_tcp", labels[0].first == "_", (2...16).contains(labels[0].utf8.count) else {
        return false
    }
    return labels[0].dropFirst().utf8.allSatisfy { $0.isAlphanumeric || $0 == UInt8(ascii: "-") }
}

extension String {
    /// Whether a text is `[a-z_][a-z0-9_-]*` with at most 32 bytes, or the ID of a user or a group.
    fileprivate var isAccount: Bool {
        let isDigit: (UInt8) -> Bool = { $0 >= 0x30 && $0 <= 0x39 }
        let isFirst: (UInt8) -> Bool = { $0 >= 0x61 && $0 <= 0x7A || $0 == UInt8(ascii: "_") }
        guard let first = utf8.first, utf8.count <= 32 else { return false }
        // The highest ID means "unchanged" to the kernel.
        if isDigit(first) { return utf8.allSatisfy(isDigit) && UInt32(self).map { $0 < .max } ?? false }
        return isFirst(first) && utf8.allSatisfy { isFirst($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// The text without blanks and carriage returns at both ends.
    var trimmed: Substring {
        let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\r\n" }
        var rest = self[...]
        while let first = rest.first, blank(first) { rest.removeFirst() }
        while let last = rest.last, blank(last) { rest.removeLast() }
        return rest
    }

    /// The text up to a comment, which begins with `#` or `;` behind a blank.
    fileprivate var withoutComment: Substring {
        var last: Character = " "
        for index in indices {
            if self[index] == "#" || self[index] == ";", last == " " || last == "\t" { return self[..<index].trimmed }
            last = self[index]
        }
        return self[...]
    }

    /// A time with a unit (`500ms`, `5s`, `1min`, `2h`) as a number of seconds; any other text unchanged.
    fileprivate var inSeconds: String {
        for (unit, seconds) in [("ms", 0.001), ("min", 60), ("h", 3600), ("s", 1)] where hasSuffix(unit) {
            let number = dropLast(unit.count).trimmed
            guard let count = Double(number), count.isFinite, number.utf8.allSatisfy({ $0 == 0x2E || $0 - 0x30 < 10 })
            else { break }
            let total = count * seconds
            return total == total.rounded() && total < 1e9 ? "\(Int(total))" : "\(total)"
        }
        return String(self)
    }

    fileprivate var words: [String] { split { $0 == " " || $0 == "\t" }.map(String.init) }
    fileprivate var patterns: [Pattern] { words.map(Pattern.init) }
}
