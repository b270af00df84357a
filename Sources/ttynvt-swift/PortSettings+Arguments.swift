import SerialLine
import VirtualTTY

/// Parses a port's command line without the argument parser, which takes six times as long as the rest of the start.
/// This reader accepts only valid command lines, with the parser's meaning; the parser gets all others, and reports
/// errors.
extension PortSettings {
    /// - Parameter arguments: without the program's and the command's names.
    /// - Returns: nil if the arguments must go to the parser.
    init?(arguments: ArraySlice<String>) {
        self.init()
        var rest = arguments
        while let argument = rest.popFirst() {
            guard !takeFlag(argument) else { continue }
            let option: Substring
            let value: String
            if argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") {
                option = argument[..<equals]
                value = String(argument[argument.index(after: equals)...])
            } else {
                guard let next = rest.popFirst(), !next.hasPrefix("-") else { return nil }
                option = argument[...]
                value = next
            }
            guard !value.isEmpty, take(option, value) else { return nil }
        }
        guard serverList != nil, name != nil else { return nil }
    }

    private mutating func takeFlag(_ argument: String) -> Bool {
        switch argument {
        case "-f": break
        case "-E": logsToStandardError = true
        case "--check": checks = true
        case "--kernel-ldisc": configuration.keepsNetworkAdministration = true
        default: return false
        }
        return true
    }

    /// - Returns: whether it is an option that this reader knows, with a valid value.
    private mutating func take(_ option: Substring, _ value: String) -> Bool {
        switch option {
        case "-S", "--server": server = value
        case "-n", "--name": name = value
        case "-M", "--major": return set(&major, UInt32(value))
        case "-m", "--minor": return set(&minor, UInt32(value))
        case "--supervised": isSupervised = true
        case "-D", "--debug": return set(&logLevel, Int(value))
        case "--group": group = value
        case "--owner": owner = value
        case "--mode": return set(&mode, NodeMode(argument: value))
        case "--user": user = value
        case "--connect": return set(&configuration.connect, PortConfiguration.ConnectPolicy(rawValue: value))
        case "--linger": return set(&configuration.linger, Double(value).flatMap(PortOptions.nanoseconds))
        case "--connect-timeout":
            return set(&configuration.connectTimeout, Double(value).flatMap(PortOptions.nanoseconds))
        case "--loss-timeout":
            guard let timeout = LossTimeout(argument: value) else { return false }
            configuration.lossTimeout = timeout.nanoseconds
        case "--dead-after": return set(&configuration.deadAfter, Int32(value).flatMap(PortOptions.deadAfter))
        case "--ahead": return set(&configuration.ahead, PortConfiguration.Ahead(argument: value))
        case "--dtr-rts": return set(&configuration.lines, PortConfiguration.LinePolicy(rawValue: value))
        case "--settings":
            return set(&configuration.awaitsSettings, SettingsPolicy(rawValue: value).map { $0 == .sync })
        case "--rs485-codes":
            guard let codes = RS485Codes(argument: value) else { return false }
            configuration.rs485On = codes.on
            configuration.rs485Off = codes.off
        default: return false
        }
        return true
    }

    private func set<Value>(_ target: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        target = value
        return true
    }
}
