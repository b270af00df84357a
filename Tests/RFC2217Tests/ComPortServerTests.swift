import RFC2217
import SerialLine
import Testing

/// The server's role as RFC 2217 has it.
@Suite struct ComPortServerTests {
    @Test func opensWithItsOffers() {
        var bench = ServerBench()
        #expect(
            bench.open() == [
                0xFF, 0xFB, 0x00,  // IAC WILL BINARY
                0xFF, 0xFD, 0x00,  // IAC DO BINARY
                0xFF, 0xFB, 0x03,  // IAC WILL SUPPRESS-GO-AHEAD
                0xFF, 0xFD, 0x03,  // IAC DO SUPPRESS-GO-AHEAD
                0xFF, 0xFD, 0x2C,  // IAC DO COM-PORT-OPTION
            ])
    }

    @Test func tellsTheLinesOnceNegotiated() {
        var bench = ServerBench(port: .init(inputs: [.cts, .dcd]))
        _ = bench.open()
        // WILL answers the server's own DO, so there is nothing to answer but the state.
        #expect(
            bench.send(will(44)) == [
                0xFF, 0xFA, 0x2C,  // IAC SB COM-PORT-OPTION
                0x6B, 0x90,  // NOTIFY-MODEMSTATE: DCD, CTS
                0xFF, 0xF0,  // IAC SE
            ])
        #expect(bench.events == [.negotiated])
        #expect(bench.send(will(44)).isEmpty)
    }

    @Test func refusesWhatItDoesNotKnow() {
        var bench = ServerBench()
        _ = bench.open()
        #expect(bench.send(will(24)) == dont(24))
        #expect(bench.send(Telnet.do(24)) == wont(24))
        #expect(bench.send(wont(24) + dont(24)).isEmpty)
    }

    @Test func settingsBeforeNegotiationDoNotCount() {
        var bench = ServerBench()
        _ = bench.open()
        #expect(bench.send(comPort(1, 0, 0, 0x25, 0x80)).isEmpty)
        #expect(bench.requests.isEmpty)
    }

    @Test func setsAndAnswersTheBaudRate() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(
            bench.send([
                0xFF, 0xFA, 0x2C,  // IAC SB COM-PORT-OPTION
                0x01, 0x00, 0x01, 0xC2, 0x00,  // SET-BAUDRATE 115200
                0xFF, 0xF0,  // IAC SE
            ]) == [
                0xFF, 0xFA, 0x2C,  // IAC SB COM-PORT-OPTION
                0x65, 0x00, 0x01, 0xC2, 0x00,  // 101: 115200
                0xFF, 0xF0,  // IAC SE
            ])
        #expect(bench.requests == [.setBaud(115_200)])
    }

    @Test func escapesIACInABaudRate() {
        var bench = ServerBench()
        bench.negotiate()
        // 0x0001FF00 is 130816 baud; its 0xFF is doubled both ways.
        #expect(bench.send(comPort(1, 0, 1, 0xFF, 0xFF, 0)) == comPort(101, 0, 1, 0xFF, 0xFF, 0))
        #expect(bench.requests == [.setBaud(130_816)])
    }

    @Test func zeroAsks() {
        var bench = ServerBench(
            port: .init(
                settings: LineSettings(
                    baud: 1200, dataBits: .seven, parity: .even, stopBits: .two, flow: .xonXoff, inboundFlow: .hardware)
            ))
        bench.negotiate()
        #expect(bench.send(comPort(1, 0, 0, 0, 0)) == comPort(101, 0, 0, 0x04, 0xB0))
        #expect(bench.send(comPort(2, 0)) == comPort(102, 7))
        #expect(bench.send(comPort(3, 0)) == comPort(103, 3))
        #expect(bench.send(comPort(4, 0)) == comPort(104, 2))
        #expect(bench.send(comPort(5, 0)) == comPort(105, 2))
        #expect(bench.send(comPort(5, 13)) == comPort(105, 16))
        #expect(bench.send(comPort(5, 4)) == comPort(105, 6))
        #expect(bench.send(comPort(5, 7)) == comPort(105, 9))
        #expect(bench.send(comPort(5, 10)) == comPort(105, 12))
        #expect(bench.requests.isEmpty)
    }

    @Test func everyFrameIsSet() {
        var bench = ServerBench()
        bench.negotiate()
        for bits in UInt8(5)...8 { #expect(bench.send(comPort(2, bits)) == comPort(102, bits)) }
        for parity in UInt8(1)...5 { #expect(bench.send(comPort(3, parity)) == comPort(103, parity)) }
        for stop in UInt8(1)...3 { #expect(bench.send(comPort(4, stop)) == comPort(104, stop)) }
        #expect(bench.server.port.settings == LineSettings(parity: .space, stopBits: .oneAndHalf))
    }

    @Test func controlsAreCarriedOutInOrder() {
        var bench = ServerBench()
        bench.negotiate()
        for value in [1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 16] as [UInt8] {
            #expect(bench.send(comPort(5, value)) == comPort(105, value))
        }
        #expect(
            bench.requests == [
                .setFlow(.none), .setFlow(.xonXoff), .setFlow(.hardware), .setBreak(true), .setBreak(false),
                .setDTR(true), .setDTR(false), .setRTS(true), .setRTS(false), .setInboundFlow(.none),
                .setInboundFlow(.xonXoff), .setInboundFlow(.hardware),
            ])
    }

    @Test func badValuesAreAnsweredWithWhatHolds() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send(comPort(2, 9)) == comPort(102, 8))
        #expect(bench.send(comPort(3, 6)) == comPort(103, 1))
        #expect(bench.send(comPort(4, 4)) == comPort(104, 1))
        #expect(bench.requests.isEmpty)
    }

    @Test func failedSettingsAreAnsweredWithWhatHolds() {
        var bench = ServerBench()
        bench.negotiate()
        bench.impossible = [.setBaud(31250), .setDTR(true)]
        #expect(bench.send(comPort(1, 0, 0, 0x7A, 0x12)) == comPort(101, 0, 0, 0x25, 0x80))
        #expect(bench.send(comPort(5, 8)) == comPort(105, 9))
    }

    @Test func commandsOfUnknownCodeOrLengthAreIgnored() {
        var bench = ServerBench()
        bench.negotiate()
        let odd =
            comPort() + comPort(1) + comPort(1, 0, 0) + comPort(2, 8, 8) + comPort(13, 1) + comPort(99)
            + comPort(200, 1)
        #expect(bench.send(odd).isEmpty)
        #expect(bench.send(comPort(5, 99)).isEmpty)
        #expect(bench.send(comPort(12, 4)).isEmpty)
        #expect(bench.requests.isEmpty)
    }

    @Test func purges() {
        var bench = ServerBench()
        bench.negotiate()
        for value in UInt8(1)...3 { #expect(bench.send(comPort(12, value)) == comPort(112, value)) }
        #expect(bench.requests == [.purge(.receive), .purge(.transmit), .purge(.both)])
    }

    @Test func signsOnlyWhenAsked() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send(comPort(0)) == comPort([100] + Array("RFC 2217 simulator".utf8)))
        #expect(bench.send(comPort([0] + Array("a client".utf8))).isEmpty)
    }

    @Test func dataIsPassedAndUnescaped() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send([0x41, 0xFF, 0xFF, 0x42]).isEmpty)
        #expect(bench.line == [0x41, 0xFF, 0x42])
        var output: [UInt8] = []
        let data: [UInt8] = [0x41, 0xFF, 0x42]
        bench.server.appendData(data.span, &output)
        #expect(output == [0x41, 0xFF, 0xFF, 0x42])
    }

    @Test func orderOfDataAndRequestsIsKept() {
        var bench = ServerBench()
        bench.negotiate()
        bench.send([0x41] + comPort(5, 5) + [0x42] + comPort(5, 6) + [0x43])
        #expect(
            bench.events == [
                .data(0..<1), .request(.setBreak(true)), .data(8..<9), .request(.setBreak(false)), .data(16..<17),
            ])
    }

    @Test func everySplitGivesTheSame() {
        let bytes =
            [0x41] + comPort(1, 0, 1, 0xFF, 0xFF, 0) + [0xFF, 0xFF] + comPort(11, 0xFF, 0xFF) + [0xFF, 243, 0x42]
        var whole = ServerBench()
        whole.negotiate()
        let answers = whole.send(bytes)
        for split in 1..<bytes.count {
            var bench = ServerBench()
            bench.negotiate()
            #expect(bench.send(Array(bytes[..<split])) + bench.send(Array(bytes[split...])) == answers)
            #expect(bench.line == [0x41, 0xFF, 0x42])
            #expect(bench.requests == [.setBaud(130_816), .sendBreak])
        }
    }

    @Test func breakByTelnetCommand() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send([0xFF, 0xF3]).isEmpty)  // IAC BRK
        #expect(bench.requests == [.sendBreak])
    }

    @Test func suspendAndResume() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send(comPort(8)).isEmpty)
        #expect(bench.server.isSuspended)
        #expect(bench.send(comPort(9)).isEmpty)
        #expect(!bench.server.isSuspended)
        #expect(bench.events == [.suspended(true), .suspended(false)])
    }

    @Test func polledStates() {
        var bench = ServerBench(port: .init(inputs: [.ri]))
        bench.negotiate()
        #expect(bench.send(comPort(7)) == comPort(107, 0x40))
        #expect(bench.send(comPort(6)) == comPort(106, 0))
    }

    @Test func vendorValuesSwitchRS485() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send(comPort(5, 20)) == comPort(105, 20))
        #expect(bench.server.port.isRS485)
        #expect(bench.send(comPort(5, 21)) == comPort(105, 21))
        bench.impossible = [.setRS485(true)]
        #expect(bench.send(comPort(5, 20)) == comPort(105, 21))

        var profile = ServerProfile()
        profile.rs485On = 77
        profile.rs485Off = 78
        bench.server = ComPortServer(profile, now: bench.now)
        bench.impossible = []
        bench.negotiate()
        #expect(bench.send(comPort(5, 77)) == comPort(105, 77))
        #expect(bench.send(comPort(5, 20)).isEmpty)
    }
}

/// What a server says on its own.
@Suite struct ComPortServerNotificationTests {
    @Test func changesOfTheLinesAreReportedWithTheirDeltas() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.inputs([.cts]) == comPort(107, 0x11))
        #expect(bench.inputs([.cts, .dsr, .dcd]) == comPort(107, 0xBA))
        // RI has no delta on its rising edge, and TERI on its trailing one.
        #expect(bench.inputs([.cts, .dsr, .dcd, .ri]) == comPort(107, 0xF0))
        #expect(bench.inputs([.cts, .dsr, .dcd]) == comPort(107, 0xB4))
        #expect(bench.inputs([.cts, .dsr, .dcd]).isEmpty)
        #expect(bench.inputs([]) == comPort(107, 0x0B))
    }

    @Test func theModemMaskIsObeyed() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.send(comPort(11, 0x11)) == comPort(111, 0x11))
        #expect(bench.inputs([.dcd]).isEmpty)
        #expect(bench.inputs([.dcd, .cts]) == comPort(107, 0x11))
        #expect(bench.send(comPort(11, 0)) == comPort(111, 0))
        #expect(bench.inputs([]).isEmpty)
    }

    @Test func lineErrorsAreReportedOnlyWhenAskedFor() {
        var bench = ServerBench()
        bench.negotiate()
        #expect(bench.notify(.parity) == nil)
        #expect(bench.send(comPort(10, 0x14)) == comPort(110, 0x14))
        #expect(bench.notify(.parity) == comPort(106, 4))
        #expect(bench.notify([.parity, .overrun]) == comPort(106, 4))
        #expect(bench.notify(.breakDetected) == comPort(106, 16))
        #expect(bench.notify(.framing) == nil)
    }

    @Test func nothingIsReportedBeforeNegotiation() {
        var bench = ServerBench()
        _ = bench.open()
        #expect(bench.inputs([.cts]).isEmpty)
        #expect(bench.notify(.parity) == nil)
    }
}

extension ServerBench {
    mutating func inputs(_ lines: ModemLines) -> [UInt8] {
        var output: [UInt8] = []
        server.setInputs(lines, now: now, &output)
        return output
    }

    /// nil if nothing is sent to the client.
    mutating func notify(_ state: LineState) -> [UInt8]? {
        var output: [UInt8] = []
        return server.notify(state, &output) ? output : nil
    }
}

/// IAC SB COM-PORT-OPTION … IAC SE.
func comPort(_ payload: [UInt8]) -> [UInt8] { [255, 250, 44] + payload + [255, 240] }
