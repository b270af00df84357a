/// The far end of a virtual COM port's line.
package enum Wiring: Equatable, Sendable, CustomStringConvertible {
    /// The port itself: TX to RX, RTS to CTS, DTR to DSR and DCD.
    case loopback
    /// Its neighbour, crosswise: port 0 to 1, 2 to 3, …
    case nullModem
    /// Standard input and output of a shell command.
    case command(String)
    /// A serial port of this machine.
    case tty(String)

    /// Parses `loopback`, `null-modem`, `exec:COMMAND` or `tty:PATH`; nil for another text.
    package init?(_ text: String) {
        switch text {
        case "loopback": self = .loopback
        case "null-modem": self = .nullModem
        default:
            guard let colon = text.firstIndex(of: ":") else { return nil }
            let argument = String(text[text.index(after: colon)...])
            guard !argument.isEmpty else { return nil }
            switch text[..<colon] {
            case "exec": self = .command(argument)
            case "tty": self = .tty(argument)
            default: return nil
            }
        }
    }

    package var description: String {
        switch self {
        case .loopback: "loopback"
        case .nullModem: "null-modem"
        case .command(let command): "exec:\(command)"
        case .tty(let path): "tty:\(path)"
        }
    }
}
