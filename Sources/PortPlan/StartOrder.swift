import SerialLine

/// An order to the starter, the only program that runs as root: start or stop a unit, and write the file that its
/// start reads. The starter accepts exactly the lines that `init(line:)` accepts; senders use the same type.
///
/// An order is one line: verb, kind, instance and arguments, separated by NUL.
package struct StartOrder: Equatable, Sendable {
    package enum Verb: String, CaseIterable, Sendable {
        /// Writes the file and starts the unit.
        case start
        /// Writes the file for the next start.
        case write
        /// Stops the unit.
        case stop
        /// Removes the file.
        case forget
        /// Makes a port end once no program has it open; for ports that accept orders from root only.
        case retire

        fileprivate var takesArguments: Bool { self == .start || self == .write }
    }

    /// The kind of an instance.
    package enum Kind: String, CaseIterable, Sendable {
        /// A serial port: `ttynvt@INSTANCE.service`, /dev/ttyINSTANCE.
        case port
    }

    /// The starter's socket.
    package static let socket = "/run/ttynvt-swift/starter.sock"
    /// The directory of the files that systemd and udev read, one for each instance.
    package static let environment = "/run/ttynvt-swift/env"
    /// Longest order in bytes, including its line feed.
    package static let longest = 16384
    /// Longest answer in bytes, including its line feed.
    package static let longestAnswer = 1024

    package let verb: Verb
    package let kind: Kind
    package let name: DeviceName
    /// The subject of `start` and `write`; nil for the other verbs.
    package let spec: PortSpec?

    private init(_ verb: Verb, _ name: DeviceName, _ spec: PortSpec?) {
        self.verb = verb
        kind = .port
        self.name = name
        self.spec = spec
    }

    package static func start(_ spec: PortSpec) -> StartOrder { StartOrder(.start, spec.name, spec) }
    package static func write(_ spec: PortSpec) -> StartOrder { StartOrder(.write, spec.name, spec) }
    package static func stop(_ name: DeviceName) -> StartOrder { StartOrder(.stop, name, nil) }
    package static func forget(_ name: DeviceName) -> StartOrder { StartOrder(.forget, name, nil) }
    package static func retire(_ name: DeviceName) -> StartOrder { StartOrder(.retire, name, nil) }

    /// The reason why a line is not an order. It quotes nothing from the line.
    package struct Illegal: Error, Equatable, CustomStringConvertible {
        package let description: String

        init(_ description: String) { self.description = description }
    }

    /// Parses an order's line, without its line feed.
    package init(line: [UInt8]) throws(Illegal) {
        let fields = try Self.fields(line)
        guard fields.count >= 3 else { throw Illegal("an order has a verb, a kind and an instance") }
        guard let verb = Verb(rawValue: fields[0]) else { throw Illegal("unknown verb") }
        guard let kind = Kind(rawValue: fields[1]) else { throw Illegal("unknown kind") }
        guard let name = try? DeviceName(port: fields[2]), name.port == fields[2] else {
            throw Illegal("illegal instance")
        }
        let arguments = Array(fields.dropFirst(3))
        guard verb.takesArguments || arguments.isEmpty else { throw Illegal("\(verb) takes no arguments") }
        self.verb = verb
        self.kind = kind
        self.name = name
        spec = verb.takesArguments ? try PortSpec(name: name, checking: arguments) : nil
    }

    /// Fields of printable ASCII, without blanks and never empty.
    private static func fields(_ line: [UInt8]) throws(Illegal) -> [String] {
        guard line.count < longest else { throw Illegal("the order is too long") }
        let fields = line.split(separator: 0, maxSplits: 64, omittingEmptySubsequences: false)
        guard fields.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0 > 0x20 && $0 < 0x7F } }) else {
            throw Illegal("a field is empty or contains a character that is not allowed")
        }
        return fields.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The order's line, including its line feed.
    package var line: [UInt8] {
        let fields = [verb.rawValue, kind.rawValue, name.port] + (spec?.arguments ?? [])
        return Array(fields.joined(separator: "\0").utf8) + [UInt8(ascii: "\n")]
    }

    /// The unit of the order.
    package var unit: String { UnitName.unit(of: name) }
}

/// The starter's answer to an order, one line.
package enum StartAnswer: Equatable, Sendable {
    /// Carried out, possibly with a note for the user.
    case done(note: String)
    case refused(String)

    /// Parses an answer, without its line feed; nil if it is malformed.
    package init?(line: String) {
        if line == "ok" {
            self = .done(note: "")
        } else if line.hasPrefix("ok ") {
            self = .done(note: String(line.dropFirst(3)))
        } else if line.hasPrefix("error ") {
            self = .refused(String(line.dropFirst(6)))
        } else {
            return nil
        }
    }

    /// Without its line feed.
    package var line: String {
        switch self {
        case .done(let note): note.isEmpty ? "ok" : "ok \(note)"
        case .refused(let why): "error \(why)"
        }
    }
}

extension PortSpec {
    /// Parses `arguments` in the form that this type produces, and refuses all others.
    init(name: DeviceName, checking arguments: [String]) throws(StartOrder.Illegal) {
        guard arguments.count >= 9, arguments[0] == "-S", arguments[3] == "-n", arguments[5] == "-M",
            arguments[7] == "-m"
        else { throw .init("arguments are -S SERVERS --supervised=ORIGIN -n NAME -M MAJOR -m MINOR OPTION…") }
        guard let servers = try? [Endpoint](parsingList: arguments[1]) else { throw .init("illegal servers") }
        guard let origin = Origin(options: [arguments[2]]) else { throw .init("illegal origin") }
        guard let major = UInt32(arguments[6]), major < 512, let minor = UInt32(arguments[8]), minor < 1 << 20 else {
            throw .init("illegal device number")
        }
        let options = try Self.options(arguments.dropFirst(9))
        self.init(name: name, servers: servers, origin: origin, major: major, minor: minor, options: options)
        // Anything that can be written in two ways is accepted in one only.
        guard self.arguments == arguments else { throw .init("the arguments are not in the canonical form") }
    }

    private static func options(_ arguments: ArraySlice<String>) throws(StartOrder.Illegal) -> [PortOption] {
        var options: [PortOption] = []
        for argument in arguments {
            guard argument.hasPrefix("--") else { throw .init("illegal option") }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let option = PortOption(key: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "yes")
            guard option.isLegal, !options.contains(where: { $0.key == option.key }) else {
                throw .init("illegal option")
            }
            options.append(option)
        }
        return options
    }

    /// The file that systemd reads at every start of the port, and udev when its node appears: servers, options, and
    /// the access rights of the node. Its contents need no quoting, which was checked.
    package var environment: String {
        var text = "TTYNVT_SERVERS=\(servers.listed)\nTTYNVT_ARGUMENTS=\(options.joined(separator: " "))\n"
        for key in ["owner", "group", "mode"] {
            let option = "--\(key)="
            guard let value = options.last(where: { $0.hasPrefix(option) })?.dropFirst(option.count) else { continue }
            // udev's rule requires four digits.
            let zeros = key == "mode" ? String(repeating: "0", count: max(0, 4 - value.utf8.count)) : ""
            text += "TTYNVT_\(key.uppercased())=\(zeros)\(value)\n"
        }
        return text
    }
}

extension PortOption {
    /// The options that a file or an order may contain: long option names of the `port` command, without `--`.
    package static let keys: Set<String> = [
        "ahead", "connect", "connect-timeout", "dead-after", "debug", "dtr-rts", "group", "kernel-ldisc",
        "linger", "loss-timeout", "mode", "owner", "rs485-codes", "settings",
    ]

    /// Longest value, in bytes.
    private static let longestValue = 128

    /// Whether the option is allowed, with a value that has no special meaning to a shell, to systemd or to udev.
    package var isLegal: Bool {
        guard Self.keys.contains(key), !value.isEmpty, value.utf8.count <= Self.longestValue,
            value.utf8.allSatisfy(\.isPlain)
        else { return false }
        if Self.flags.contains(key) { return value == "yes" }
        switch key {
        case "owner", "group": return isAccount
        case "mode": return value.utf8.count <= 4 && UInt16(value, radix: 8).map { $0 <= 0o777 } == true
        default: return true
        }
    }

    /// Whether it is the name of a user or a group, or an ID. The highest ID means "unchanged" to the kernel.
    private var isAccount: Bool {
        guard let first = value.utf8.first, value.utf8.count <= 32 else { return false }
        if first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9") { return UInt32(value).map { $0 < .max } ?? false }
        return (first.isAlphanumeric || first == UInt8(ascii: "_"))
            && value.utf8.allSatisfy { $0.isAlphanumeric || "._-".utf8.contains($0) }
    }
}

extension UInt8 {
    var isAlphanumeric: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    /// Whether the character has no special meaning to a shell, to systemd or to udev.
    var isPlain: Bool { isAlphanumeric || "._,:+-".utf8.contains(self) }
}
