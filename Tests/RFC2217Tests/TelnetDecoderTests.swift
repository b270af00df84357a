import RFC2217
import SerialLine
import TestSupport
import Testing

@Suite struct TelnetDecoderTests {
    private func elements(_ text: String) -> [StreamElement] { elements(wire(text)) }

    private func elements(_ bytes: [UInt8]) -> [StreamElement] {
        let (elements, violation) = StreamReader.elements(of: [bytes])
        #expect(violation == nil)
        return elements
    }

    @Test func data() {
        #expect(elements("61 62 63 | abc") == [.data([0x61, 0x62, 0x63])])
        #expect(elements("| nothing") == [])
    }

    @Test func escapedData() {
        #expect(elements("61 FF FF 62 | a, IAC IAC, b") == [.data([0x61, 0xFF, 0x62])])
        #expect(elements("FF FF FF FF | twice") == [.data([0xFF, 0xFF])])
    }

    /// Data is copied range by range: an escaped 0xFF and the data behind it are one run.
    @Test func dataRanges() {
        let input = wire("61 FF FF 62 63 FF F1 64")
        var decoder = TelnetDecoder()
        var offset = 0
        #expect(decoder.next(input.span, &offset) == .data(0..<1))
        #expect(decoder.next(input.span, &offset) == .data(2..<5))
        #expect(decoder.next(input.span, &offset) == .command(TelnetCommand.nop))
        #expect(decoder.next(input.span, &offset) == .data(7..<8))
        #expect(decoder.next(input.span, &offset) == nil)
        #expect(offset == 8)
    }

    @Test func commands() {
        #expect(elements("FF F3 | IAC BRK") == [.command(TelnetCommand.brk)])
        #expect(elements("61 FF F1 62 | a, IAC NOP, b") == [.data([0x61]), .command(TelnetCommand.nop), .data([0x62])])
        // SE without SB, and a byte that is no command at all.
        #expect(elements("FF F0 FF 05") == [.command(TelnetCommand.se), .command(5)])
    }

    @Test func negotiation() {
        let text = """
            FF FB 2C | IAC WILL COM-PORT-OPTION
            FF FC 00 | IAC WONT BINARY
            FF FD 03 | IAC DO SUPPRESS-GO-AHEAD
            FF FE 01 | IAC DONT ECHO
            FF FB FF | IAC WILL EXTENDED-OPTIONS-LIST: an option is not escaped
            """
        let expected: [StreamElement] = [
            .negotiation(.will, .comPort), .negotiation(.wont, .binary), .negotiation(.do, .suppressGoAhead),
            .negotiation(.dont, .echo), .negotiation(.will, TelnetOption(rawValue: 255)),
        ]
        #expect(elements(text) == expected)
        var written: [UInt8] = []
        for case .negotiation(let verb, let option) in expected { written.appendTelnet(verb, option) }
        #expect(written == wire(text))
    }

    /// Without an option a subnegotiation is about nothing; one without a payload is well-formed, if no command.
    @Test func emptySubnegotiations() {
        #expect(elements("FF FA FF F0 61 | IAC SB IAC SE, a") == [.malformed, .data([0x61])])
        #expect(elements("FF FA 2C FF F0 | IAC SB 44 IAC SE") == [.subnegotiation(.comPort, payload: [])])
    }

    @Test func subnegotiationBrokenOff() {
        #expect(
            elements(
                """
                FF FA 2C 65 00 | IAC SB COM-PORT-OPTION SET-BAUDRATE + 100, one byte of four
                FF FB 00       | IAC WILL BINARY
                61             | a
                """) == [.malformed, .negotiation(.will, .binary), .data([0x61])])
        #expect(elements("FF FA 2C 65 FF F1 61") == [.malformed, .command(TelnetCommand.nop), .data([0x61])])
        #expect(elements("FF FA FF FD 2C 61") == [.malformed, .negotiation(.do, .comPort), .data([0x61])])
    }

    /// Bytes of an interrupted subnegotiation are not in the next one.
    @Test func subnegotiationBrokenOffByAnother() {
        let elements = elements("FF FA 2C 65 01 02 FF FA 2C 66 08 FF F0")
        #expect(elements == [.malformed, .subnegotiation(.comPort, payload: [0x66, 8])])
    }

    @Test func escapesInSubnegotiations() {
        #expect(elements("FF FA 2C FF FF FF F0 | one IAC") == [.subnegotiation(.comPort, payload: [0xFF])])
        let three = elements("FF FA 2C FF FF FF FF F0 FF F0 | IAC, IAC, SE")
        #expect(three == [.subnegotiation(.comPort, payload: [0xFF, 0xFF, 0xF0])])
        // An option that is an IAC, escaped: no option that anyone has.
        #expect(elements("FF FA FF FF 01 FF F0 61") == [.malformed, .data([0x61])])
    }

    @Test func longestPayload() {
        let longest = [UInt8](repeating: 0xFF, count: TelnetDecoder.maximumPayload)
        var bytes: [UInt8] = []
        bytes.appendTelnetSubnegotiation(.comPort, longest)
        #expect(elements(bytes) == [.subnegotiation(.comPort, payload: longest)])

        bytes.removeAll()
        bytes.appendTelnetSubnegotiation(.comPort, longest + [1])
        #expect(elements(bytes + [0x61]) == [.malformed, .data([0x61])])
    }

    /// A subnegotiation that never ends costs no memory, and the one after it is read.
    @Test func memoryIsBounded() {
        var decoder = TelnetDecoder()
        var found: [TelnetElement] = []
        func feed(_ bytes: [UInt8]) {
            var offset = 0
            while let element = decoder.next(bytes.span, &offset) { found.append(element) }
            #expect(decoder.payload.count <= TelnetDecoder.maximumPayload)
        }
        feed([TelnetCommand.iac, TelnetCommand.sb, 44])
        for _ in 0..<300 { feed([UInt8](repeating: 0x55, count: 1_000)) }
        #expect(decoder.payload.capacity <= 4 * TelnetDecoder.maximumPayload)
        #expect(found == [])
        feed(wire("FF F0 FF FA 2C 64 FF F0"))
        #expect(found == [.malformed, .subnegotiation(.comPort)])
        #expect(decoder.payload == [0x64])
    }

    @Test func dataAsWritten() {
        for data in [[], [0xFF], [0xFF, 0xFF], [1, 0xFF, 2], [0xFF, 1, 2], [1, 2, 0xFF], [1, 2]] as [[UInt8]] {
            var bytes: [UInt8] = [0]
            bytes.appendTelnetData(data.span)
            #expect(bytes == [0] + data.flatMap { $0 == 0xFF ? [0xFF, 0xFF] : [$0] })
        }
    }

    /// A peer that leaves a 0xFF single in a payload is understood where only that can be meant.
    @Test func singleIACInsideAPayload() {
        // SET-BAUDRATE 0x00FF1234, the FF single: 0x12 is no Telnet command.
        #expect(
            elements("FF FA 2C 65 00 FF 12 34 FF F0 61 | a") == [
                .subnegotiation(.comPort, payload: [0x65, 0x00, 0xFF, 0x12, 0x34]), .data([0x61]),
            ])
    }
}
