import RFC2217
import SerialLine
import TestSupport
import Testing

/// One command as RFC 2217 puts it on the wire, from the client and from the server: between the roles only the code
/// differs.
struct WireExample: Sendable, CustomTestStringConvertible {
    let command: ComPortCommand
    let client: String
    let server: String

    var testDescription: String { "\(command)" }

    init(_ command: ComPortCommand, _ client: String, _ server: String, value: String) {
        self.command = command
        self.client = "FF FA 2C | IAC SB COM-PORT-OPTION\n\(client)\n\(value)\nFF F0 | IAC SE"
        self.server = "FF FA 2C | IAC SB COM-PORT-OPTION\n\(server)\n\(value)\nFF F0 | IAC SE"
    }

    static func control(_ value: ControlValue, _ text: String) -> WireExample {
        WireExample(.setControl(value), "05 | SET-CONTROL", "69 | SET-CONTROL + 100", value: text)
    }

    static func purge(_ buffers: PurgeBuffers, _ text: String) -> WireExample {
        WireExample(.purgeData(buffers.rawValue), "0C | PURGE-DATA", "70 | PURGE-DATA + 100", value: text)
    }

    static func parity(_ parity: Parity, _ text: String) -> WireExample {
        WireExample(.setParity(parity.rawValue), "03 | SET-PARITY", "67 | SET-PARITY + 100", value: text)
    }

    static func stop(_ bits: StopBits, _ text: String) -> WireExample {
        WireExample(.setStopSize(bits.rawValue), "04 | SET-STOPSIZE", "68 | SET-STOPSIZE + 100", value: text)
    }

    static func baud(_ baud: UInt32, _ text: String) -> WireExample {
        WireExample(.setBaudRate(baud), "01 | SET-BAUDRATE", "65 | SET-BAUDRATE + 100", value: text)
    }

    static func signature(_ bytes: [UInt8], _ text: String) -> WireExample {
        WireExample(.signature(bytes), "00 | SIGNATURE", "64 | SIGNATURE + 100", value: text)
    }
}

@Suite struct ComPortWireTests {
    static let examples: [WireExample] = [
        .signature([0x41, 0x62], "41 62 | Ab"),
        .signature([], "| empty: asks for the peer's"),
        .baud(115_200, "00 01 C2 00 | big-endian"),
        .baud(0, "00 00 00 00 | asks"),
        WireExample(.setDataSize(7), "02 | SET-DATASIZE", "66 | SET-DATASIZE + 100", value: "07 | seven bits"),
        .parity(.none, "01 | none"),
        .parity(.odd, "02 | odd"),
        .parity(.even, "03 | even"),
        .parity(.mark, "04 | mark"),
        .parity(.space, "05 | space"),
        .stop(.one, "01 | one"),
        .stop(.two, "02 | two"),
        .stop(.oneAndHalf, "03 | one and a half"),
        .control(.queryFlow, "00 | asks for flow control"),
        .control(.flow(.none), "01 | none"),
        .control(.flow(.xonXoff), "02 | XON/XOFF"),
        .control(.flow(.hardware), "03 | hardware"),
        .control(.queryBreak, "04 | asks for BREAK"),
        .control(.breakOn, "05 | BREAK on"),
        .control(.breakOff, "06 | BREAK off"),
        .control(.queryDTR, "07 | asks for DTR"),
        .control(.dtrOn, "08 | DTR on"),
        .control(.dtrOff, "09 | DTR off"),
        .control(.queryRTS, "0A | asks for RTS"),
        .control(.rtsOn, "0B | RTS on"),
        .control(.rtsOff, "0C | RTS off"),
        .control(.queryInboundFlow, "0D | asks for inbound flow control"),
        .control(.inboundFlow(.none), "0E | inbound none"),
        .control(.inboundFlow(.xonXoff), "0F | inbound XON/XOFF"),
        .control(.inboundFlow(.hardware), "10 | inbound hardware"),
        WireExample(
            .notifyLineState([.breakDetected, .overrun]), "06 | NOTIFY-LINESTATE", "6A | NOTIFY-LINESTATE + 100",
            value: "12 | 16 break detected, 2 overrun"),
        WireExample(
            .notifyModemState([.dcd, .cts, .deltaDCD]), "07 | NOTIFY-MODEMSTATE", "6B | NOTIFY-MODEMSTATE + 100",
            value: "98 | 0x80 DCD, 0x10 CTS, 0x08 DCD changed"),
        WireExample(.flowControlSuspend, "08 | FLOWCONTROL-SUSPEND", "6C | + 100", value: "| no value"),
        WireExample(.flowControlResume, "09 | FLOWCONTROL-RESUME", "6D | + 100", value: "| no value"),
        WireExample(
            .setLineStateMask(.errors), "0A | SET-LINESTATE-MASK", "6E | SET-LINESTATE-MASK + 100",
            value: "1E | 16 break, 8 framing, 4 parity, 2 overrun"),
        WireExample(
            .setModemStateMask([.dcd, .ri, .dsr, .cts]), "0B | SET-MODEMSTATE-MASK", "6F | SET-MODEMSTATE-MASK + 100",
            value: "F0 | the levels"),
        .purge(.receive, "01 | receive"),
        .purge(.transmit, "02 | transmit"),
        .purge(.both, "03 | both"),
    ]

    /// Every 0xFF of a value is doubled: left single it would be read as a Telnet command, a bug seen in the field.
    static let escaped: [WireExample] = [
        .baud(0x00FF_01FF, "00 FF FF 01 FF FF | 16712191"),
        .baud(.max, "FF FF FF FF FF FF FF FF | 4294967295"),
        .baud(0x0000_FFF0, "00 00 FF FF F0 | 65520, which unescaped would end in IAC SE"),
        .signature([0xFF], "FF FF | one byte"),
        .signature([0x61, 0xFF, 0xF0, 0xFF, 0xFF], "61 FF FF F0 FF FF FF FF | a, IAC, SE, IAC, IAC"),
        WireExample(
            .setModemStateMask(ModemState(rawValue: 255)), "0B | SET-MODEMSTATE-MASK", "6F | + 100",
            value: "FF FF | everything"),
        WireExample(
            .notifyLineState(LineState(rawValue: 255)), "06 | NOTIFY-LINESTATE", "6A | + 100",
            value: "FF FF | everything"),
    ]

    @Test(arguments: examples + escaped) func client(_ example: WireExample) {
        check(example.command, from: .client, wire(example.client))
    }

    @Test(arguments: examples + escaped) func server(_ example: WireExample) {
        check(example.command, from: .server, wire(example.server))
    }

    private func check(_ command: ComPortCommand, from role: ComPortRole, _ expected: [UInt8]) {
        var written: [UInt8] = []
        written.appendComPort(command, from: role)
        #expect(written == expected, "\(hex(written)) is not \(hex(expected))")

        let (elements, violation) = StreamReader.elements(of: [expected])
        #expect(violation == nil)
        guard case .subnegotiation(.comPort, let payload)? = elements.first, elements.count == 1 else {
            Issue.record("\(hex(expected)) read as \(elements)")
            return
        }
        #expect(ComPortCommand(payload: payload, from: role) == command)
    }
}
