import SerialLine

// Telnet and RFC 2217 commands in words, for the log.

extension TelnetVerb: CustomStringConvertible {
    package var description: String {
        switch self {
        case .will: "WILL"
        case .wont: "WONT"
        case .do: "DO"
        case .dont: "DONT"
        }
    }
}

extension TelnetOption: CustomStringConvertible {
    package var description: String {
        switch self {
        case .binary: "BINARY"
        case .echo: "ECHO"
        case .suppressGoAhead: "SUPPRESS-GO-AHEAD"
        case .comPort: "COM-PORT-OPTION"
        default: "option \(rawValue)"
        }
    }
}

extension ControlValue: CustomStringConvertible {
    private static let words: [String] = [
        "flow?", "flow none", "flow XON/XOFF", "flow RTS/CTS", "break?", "break on", "break off", "DTR?", "DTR on",
        "DTR off", "RTS?", "RTS on", "RTS off", "inbound flow?", "inbound flow none", "inbound flow XON/XOFF",
        "inbound flow RTS/CTS", "outbound flow DCD", "inbound flow DTR", "outbound flow DSR",
    ]

    package var description: String {
        Int(rawValue) < Self.words.count ? Self.words[Int(rawValue)] : "vendor value \(rawValue)"
    }
}

extension ModemState: CustomStringConvertible {
    package var description: String {
        let changes: [(ModemState, String)] = [
            (.deltaDCD, "DCD"), (.trailingRI, "RI"), (.deltaDSR, "DSR"), (.deltaCTS, "CTS"),
        ]
        let changed = changes.filter { contains($0.0) }.map(\.1)
        return lines.description + (changed.isEmpty ? "" : ", changed " + changed.joined(separator: " "))
    }
}

extension LineState: CustomStringConvertible {
    package var description: String {
        let names: [(LineState, String)] = [
            (.dataReady, "data-ready"), (.overrun, "overrun"), (.parity, "parity"), (.framing, "framing"),
            (.breakDetected, "break"), (.transmitHoldingEmpty, "transmit-holding-empty"),
            (.transmitShiftEmpty, "transmit-shift-empty"), (.timeout, "timeout"),
        ]
        let raised = names.filter { contains($0.0) }.map(\.1)
        return raised.isEmpty ? "none" : raised.joined(separator: " ")
    }
}

extension ComPortCommand: CustomStringConvertible {
    package var description: String {
        switch self {
        case .signature(let text): "SIGNATURE \(text.printable(limit: 60))"
        case .setBaudRate(let baud): "SET-BAUDRATE \(baud == 0 ? "?" : "\(baud)")"
        case .setDataSize(let size): "SET-DATASIZE \(size == 0 ? "?" : "\(size)")"
        case .setParity(let value):
            "SET-PARITY \(value == 0 ? "?" : Parity(rawValue: value).map { "\($0)" } ?? "\(value)")"
        case .setStopSize(let value):
            "SET-STOPSIZE \(value == 0 ? "?" : value == 1 ? "1" : value == 2 ? "2" : value == 3 ? "1.5" : "\(value)")"
        case .setControl(let value): "SET-CONTROL \(value)"
        case .notifyLineState(let state): "NOTIFY-LINESTATE \(state)"
        case .notifyModemState(let state): "NOTIFY-MODEMSTATE \(state)"
        case .flowControlSuspend: "FLOWCONTROL-SUSPEND"
        case .flowControlResume: "FLOWCONTROL-RESUME"
        case .setLineStateMask(let mask): "SET-LINESTATE-MASK \(mask)"
        case .setModemStateMask(let mask): "SET-MODEMSTATE-MASK \(mask.rawValue)"
        case .purgeData(let value):
            "PURGE-DATA \(value == 1 ? "receive" : value == 2 ? "transmit" : value == 3 ? "both" : "\(value)")"
        case .unknown(let code, let payload): "command \(code), \(payload.count) bytes"
        }
    }
}

extension Sequence<UInt8> {
    /// Bytes as one safe line of text: printable ASCII unchanged, the rest as `\xNN`, cut after `limit` characters.
    package func printable(limit: Int) -> String {
        let digits = Array("0123456789abcdef")
        var text = ""
        for byte in self {
            guard text.count < limit else { return text + "…" }
            if byte >= 0x20 && byte < 0x7F && byte != 0x5C {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x"
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
        }
        return text
    }
}
