import RFC2217
import SerialLine
import Testing

@Suite struct TraceTests {
    static let commands: [(ComPortCommand, String)] = [
        (.signature([0x61, 0x0A, 0x5C]), "SIGNATURE a\\x0a\\x5c"),
        (.setBaudRate(0), "SET-BAUDRATE ?"),
        (.setBaudRate(9600), "SET-BAUDRATE 9600"),
        (.setDataSize(0), "SET-DATASIZE ?"),
        (.setDataSize(8), "SET-DATASIZE 8"),
        (.setParity(0), "SET-PARITY ?"),
        (.setParity(3), "SET-PARITY even"),
        (.setParity(9), "SET-PARITY 9"),
        (.setStopSize(0), "SET-STOPSIZE ?"),
        (.setStopSize(3), "SET-STOPSIZE 1.5"),
        (.setStopSize(7), "SET-STOPSIZE 7"),
        (.setControl(.dtrOn), "SET-CONTROL DTR on"),
        (.setControl(.inboundFlow(.hardware)), "SET-CONTROL inbound flow RTS/CTS"),
        (.setControl(ControlValue(rawValue: 19)), "SET-CONTROL outbound flow DSR"),
        (.setControl(ControlValue(rawValue: 20)), "SET-CONTROL vendor value 20"),
        (.notifyLineState([.overrun, .breakDetected]), "NOTIFY-LINESTATE overrun break"),
        (.notifyLineState([]), "NOTIFY-LINESTATE none"),
        (.notifyModemState([.cts, .deltaCTS, .trailingRI]), "NOTIFY-MODEMSTATE CTS, changed RI CTS"),
        (.notifyModemState([]), "NOTIFY-MODEMSTATE none"),
        (.flowControlSuspend, "FLOWCONTROL-SUSPEND"),
        (.flowControlResume, "FLOWCONTROL-RESUME"),
        (.setLineStateMask(.errors), "SET-LINESTATE-MASK overrun parity framing break"),
        (.setModemStateMask(ModemState(rawValue: 255)), "SET-MODEMSTATE-MASK 255"),
        (.purgeData(3), "PURGE-DATA both"),
        (.purgeData(4), "PURGE-DATA 4"),
        (.unknown(code: 77, payload: [1, 2]), "command 77, 2 bytes"),
    ]

    @Test(arguments: commands) func command(_ command: ComPortCommand, _ text: String) {
        #expect(command.description == text)
    }

    /// The name of a control value agrees with its subject.
    @Test func controlValues() {
        for value in UInt8.min...19 {
            let control = ControlValue(rawValue: value)
            let word =
                switch control.subject {
                case .flow: "flow"
                case .lineBreak: "break"
                case .dtr: "DTR"
                case .rts: "RTS"
                case .inboundFlow: "inbound flow"
                case .vendor: "vendor"
                }
            #expect(control.description.contains(word), "value \(value): \(control)")
            #expect(control.description.hasPrefix("inbound") == (control.subject == .inboundFlow))
        }
    }

    @Test func negotiation() {
        #expect([TelnetVerb.will, .wont, .do, .dont].map(\.description) == ["WILL", "WONT", "DO", "DONT"])
        let options: [TelnetOption] = [.binary, .echo, .suppressGoAhead, .comPort, TelnetOption(rawValue: 31)]
        #expect(
            options.map(\.description)
                == ["BINARY", "ECHO", "SUPPRESS-GO-AHEAD", "COM-PORT-OPTION", "option 31"])
    }

    /// A peer's text reaches a terminal or a log: nothing of it may act there.
    @Test func printable() {
        #expect([0x1B, 0x5B, 0x32, 0x4A].printable(limit: 60) == "\\x1b[2J")
        #expect([0x00, 0x7F, 0x80, 0xFF, 0x20, 0x7E].printable(limit: 60) == "\\x00\\x7f\\x80\\xff ~")
        #expect(([] as [UInt8]).printable(limit: 60) == "")
        // The text cannot make up an escape of its own.
        #expect(Array("\\x41".utf8).printable(limit: 60) == "\\x5cx41")
    }

    @Test func printableIsCut() {
        #expect([0x61, 0x62, 0x63].printable(limit: 3) == "abc")
        #expect([0x61, 0x62, 0x63, 0x64].printable(limit: 3) == "abc…")
        #expect([UInt8](repeating: 0, count: 1_000_000).printable(limit: 8) == "\\x00\\x00…")
    }
}
