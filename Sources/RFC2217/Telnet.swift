import SerialLine

/// Telnet's commands (RFC 854), each sent after IAC.
package enum TelnetCommand {
    /// The lowest byte after IAC that is a command (RFC 1184's EOF).
    package static let firstCommand: UInt8 = 236
    package static let iac: UInt8 = 255
    package static let dont: UInt8 = 254
    package static let `do`: UInt8 = 253
    package static let wont: UInt8 = 252
    package static let will: UInt8 = 251
    package static let sb: UInt8 = 250
    package static let brk: UInt8 = 243
    package static let nop: UInt8 = 241
    package static let se: UInt8 = 240
}

/// Telnet's negotiation verbs.
package enum TelnetVerb: UInt8, Sendable {
    case will = 251
    case wont
    case `do`
    case dont
}

/// A Telnet option's number.
package struct TelnetOption: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// TRANSMIT-BINARY (RFC 856).
    package static let binary = TelnetOption(rawValue: 0)
    /// ECHO (RFC 857).
    package static let echo = TelnetOption(rawValue: 1)
    /// SUPPRESS-GO-AHEAD (RFC 858).
    package static let suppressGoAhead = TelnetOption(rawValue: 3)
    /// COM-PORT-OPTION (RFC 2217).
    package static let comPort = TelnetOption(rawValue: 44)
}

/// Writing Telnet: bytes appended to an outgoing buffer.
extension [UInt8] {
    /// Appends data, with every 0xFF doubled.
    package mutating func appendTelnetData(_ data: borrowing Span<UInt8>) {
        var start = 0
        while let iac = data.firstIndex(of: TelnetCommand.iac, from: start) {
            append(contentsOf: data, start..<iac + 1)
            append(TelnetCommand.iac)
            start = iac + 1
        }
        append(contentsOf: data, start..<data.count)
    }

    /// Appends IAC, a verb and an option.
    package mutating func appendTelnet(_ verb: TelnetVerb, _ option: TelnetOption) {
        append(TelnetCommand.iac)
        append(verb.rawValue)
        append(option.rawValue)
    }

    /// Appends a complete subnegotiation, with every 0xFF of the payload doubled.
    package mutating func appendTelnetSubnegotiation(_ option: TelnetOption, _ payload: [UInt8]) {
        append(TelnetCommand.iac)
        append(TelnetCommand.sb)
        append(option.rawValue)
        appendTelnetData(payload.span)
        append(TelnetCommand.iac)
        append(TelnetCommand.se)
    }
}
