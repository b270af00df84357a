import RFC2217
import SerialLine
import Testing

/// Each known server's ways, one by one.
@Suite struct ServerQuirkTests {
    @Test func everyQuirkHasANameAndASummary() {
        #expect(Set(ServerQuirk.allCases.map(\.rawValue)).count == ServerQuirk.allCases.count)
        for quirk in ServerQuirk.allCases {
            #expect(!quirk.summary.isEmpty && !quirk.summary.contains("\n"))
            #expect(ServerQuirk(rawValue: quirk.rawValue) == quirk)
        }
    }

    @Test func ser2net() {
        var bench = ServerBench(.ser2net, port: .init(inputs: [.cts]))
        #expect(
            bench.open() == [
                0xFF, 0xFB, 0x03, 0xFF, 0xFD, 0x03,  // WILL, DO SUPPRESS-GO-AHEAD
                0xFF, 0xFB, 0x01, 0xFF, 0xFE, 0x01,  // WILL, DONT ECHO
                0xFF, 0xFD, 0x00, 0xFF, 0xFB, 0x00,  // DO, WILL BINARY
                0xFF, 0xFD, 0x2C,  // DO COM-PORT-OPTION
            ])
        #expect(bench.send(Telnet.do(44)) == wont(44))
        // DO again, the modem mask and the modem state, all unasked.
        #expect(bench.send(will(44)) == Telnet.do(44) + comPort(111, 0xFF, 0xFF) + comPort(107, 0x10))
        #expect(bench.send(comPort(11, 0x0F)) == comPort(111, 0x0F) + comPort(107, 0))
        bench.impossible = [.setDTR(true)]
        #expect(bench.send(comPort(5, 8)).isEmpty)
        #expect(bench.send(comPort(2, 9)).isEmpty)
        bench.send(comPort(5, 3))
        #expect(bench.send(comPort(8)) == comPort(105, 1))
        #expect(bench.server.port.settings.flow == .none)
        #expect(bench.send(comPort(9)) == comPort(105, 1))
        #expect(bench.send(comPort(5, 20)).isEmpty)
    }

    @Test func ser2netAnswersBeforeNegotiation() {
        var bench = ServerBench(.ser2net)
        _ = bench.open()
        #expect(bench.send(comPort(1, 0, 0, 0x25, 0x80)) == comPort(101, 0, 0, 0x25, 0x80))
        #expect(bench.send(comPort(6) + comPort(7)).isEmpty)
    }

    /// Bytes measured at ser2net 4.3.11 with a pty behind it.
    @Test func ser2net43() {
        var bench = ServerBench(.ser2net43)
        _ = bench.open()
        #expect(bench.send(Telnet.do(44)) == wont(44))
        #expect(bench.send(will(44)) == comPort(107, 0))
        #expect(bench.send(will(44)).isEmpty)
        #expect(bench.send(comPort(11, 0x0F)) == comPort(107, 0))
        #expect(bench.send(comPort(10, 4)) == comPort(106, 0))
        #expect(bench.send(comPort(8) + comPort(9)) == comPort(105, 1) + comPort(105, 1))
        #expect(bench.send(comPort(12, 3)) == comPort(112, 3))
        #expect(bench.send(comPort(5, 13)) == comPort(105, 14))
        #expect(bench.send(comPort(0)) == comPort([100] + Array("ser2net".utf8)))
        #expect(bench.send(comPort(2, 9) + comPort(3, 9) + comPort(5, 20) + comPort(13, 1)).isEmpty)
        #expect(bench.server.modemStateMask.rawValue == 0x0F)
    }

    @Test func ser2netReportsLinesOnceASecond() {
        var bench = ServerBench(.ser2net)
        bench.negotiate()
        #expect(bench.inputs([.cts]).isEmpty)
        #expect(bench.inputs([.cts, .dsr]).isEmpty)
        #expect(bench.server.deadline == bench.now + .seconds(1))
        #expect(bench.expire(after: .milliseconds(999)).isEmpty)
        #expect(bench.expire(after: .seconds(1)) == comPort(107, 0x33))
        #expect(bench.server.deadline == nil)
        // A pulse shorter than that is never seen.
        _ = bench.inputs([])
        _ = bench.inputs([.cts, .dsr])
        #expect(bench.server.deadline == nil)
    }

    @Test func ser2netKnowsParityErrorsAndBreaksOnly() {
        var bench = ServerBench(.ser2net)
        bench.negotiate()
        bench.send(comPort(10, 0x1E))
        #expect(bench.notify(.framing) == nil)
        #expect(bench.notify(.parity) == comPort(106, 4))
        #expect(bench.server.profile.dropsBadBytes)
    }

    @Test func ser2netCutsLongSuboptionsAndAnswers() {
        var bench = ServerBench(.ser2net)
        bench.negotiate()
        // A code and 30 bytes of text are left of a payload of 41.
        #expect(bench.send(comPort([0] + [UInt8](repeating: 0x41, count: 40))).isEmpty)
        #expect(bench.events == [.signature([UInt8](repeating: 0x41, count: 30))])
        // 40 answers of 10 bytes do not fit into 256.
        let many = (0..<40).flatMap { _ in comPort(1, 0, 0, 0x25, 0x80) }
        #expect(bench.send(many).count == 250)
        #expect(bench.requests.count == 40)
        #expect(bench.send(comPort(2, 8)) == comPort(102, 8))
    }

    @Test func pyserial() {
        var bench = ServerBench(.pyserial)
        #expect(bench.open() == will(1) + will(3) + Telnet.do(0) + will(44))
        #expect(bench.send(Telnet.do(44)) == comPort(107, 0))
        #expect(bench.send(comPort(10, 4) + comPort(11, 255, 255) + comPort(0)).isEmpty)
        for value in [4, 7, 10, 13, 14, 15, 16, 17, 18, 19] as [UInt8] {
            #expect(bench.send(comPort(5, value)).isEmpty)
        }
        #expect(bench.send(comPort(5, 8)) == comPort(105, 8))
        #expect(bench.send(comPort(12, 1)) == comPort(112, 1))
        bench.send(comPort(3, 9))
        #expect(bench.events.last == .died("SET-PARITY 9"))
    }

    @Test func espRFC2217Server() {
        var bench = ServerBench(.espRFC2217Server)
        bench.negotiate()
        for value in [8, 9, 11, 12] as [UInt8] { #expect(bench.send(comPort(5, value)).isEmpty) }
        #expect(bench.requests == [.setDTR(true), .setDTR(false), .setRTS(true), .setRTS(false)])
        #expect(bench.send(comPort(5, 1)) == comPort(105, 1))
    }

    @Test func igrr() {
        var bench = ServerBench(.igrr)
        #expect(bench.open().isEmpty)
        #expect(bench.send(will(0) + Telnet.do(0) + will(3) + Telnet.do(1)).isEmpty)
        #expect(bench.send(will(44)) == Telnet.do(44))
        #expect(bench.send(comPort(12, 3)) == comPort(112, 3) + comPort(112, 3))
        #expect(
            bench.send(comPort(2, 7) + comPort(3, 2) + comPort(4, 2)) == comPort(102, 7) + comPort(103, 2)
                + comPort(104, 2))
        #expect(bench.server.port.settings == LineSettings())
        #expect(bench.send(comPort(10, 4) + comPort(11, 4) + comPort(0)).isEmpty)
        #expect(bench.inputs([.cts]).isEmpty)
    }

    @Test func igrrLeaksASplitSubnegotiation() {
        var bench = ServerBench(.igrr)
        bench.negotiate()
        bench.send([0xFF, 0xFA, 0x2C, 0x01, 0x00])
        bench.send([0x00, 0x25, 0x80, 0xFF, 0xF0])
        #expect(bench.line == [0xFF, 0xFA, 0x2C, 0x01, 0x00, 0x00, 0x25, 0x80])
        #expect(bench.requests.isEmpty)
    }

    @Test func espRS() {
        var bench = ServerBench(.espRS)
        #expect(bench.open().isEmpty)
        #expect(bench.send(Telnet.do(0) + Telnet.do(44) + Telnet.do(3)).isEmpty)
        #expect(bench.send(will(44)) == Telnet.do(44))
        #expect(bench.send(comPort(1, 0, 0, 0x25, 0x80)) == comPort(101, 0, 0, 0x25, 0x80))
        #expect(bench.send(comPort(11, 255, 255)).isEmpty)
        bench.send(dont(3))
        #expect(bench.events.last == .died("DONT SUPPRESS-GO-AHEAD"))
    }

    @Test func espLinkInTelnetMode() {
        var bench = ServerBench(.espLink)
        #expect(bench.open().isEmpty)
        #expect(bench.send(will(44) + will(0)) == Telnet.do(44) + dont(0))
        #expect(bench.send(comPort(1, 0, 1, 0xC2, 0)).isEmpty)
        #expect(bench.requests == [.setBaud(115_200)])
        bench.send(Telnet.do(3) + wont(1) + dont(1) + [0xFF, 0xF1] + [0xFF, 0xF3] + [0x41])
        #expect(bench.line == Telnet.do(3) + wont(1) + dont(1) + [0xFF, 0xF1, 0xFF, 0xF3, 0x41])
    }

    @Test func espLinkInRawMode() {
        var bench = ServerBench(.espLink)
        bench.send([0x41])
        #expect(bench.send(will(44)).isEmpty)
        #expect(bench.line == [0x41] + will(44))
        var output: [UInt8] = []
        let data: [UInt8] = [0xFF]
        bench.server.appendData(data.span, &output)
        #expect(output == [0xFF])
    }

    @Test func sredird() {
        var bench = ServerBench(.sredird)
        #expect(bench.open() == will(0) + Telnet.do(0) + will(1) + will(3) + Telnet.do(3) + Telnet.do(44))
        bench.send(will(44))
        bench.send(comPort(5, 3))
        for value in [8, 9, 11, 12] as [UInt8] { #expect(bench.send(comPort(5, value)) == comPort(105, 3)) }
        #expect(bench.send(comPort(3, 4)) == comPort(103, 1))
        #expect(bench.send(comPort(3, 5)) == comPort(103, 1))
        #expect(bench.send(comPort(4, 3)) == comPort(104, 1))
    }

    @Test func aPurgeThatIsIgnored() {
        var bench = ServerBench(.ignorePurge)
        bench.negotiate()
        #expect(bench.send(comPort(12, 2)) == comPort(112, 2))
        #expect(bench.send(comPort(12, 9)).isEmpty)
        #expect(bench.requests.isEmpty)
    }

    @Test func moxa() {
        var bench = ServerBench(.moxa, port: .init(inputs: [.dsr]))
        let opening = bench.open()
        #expect(opening.starts(with: comPort(107, 0x20)))
        // Active before any negotiation, and it answers each WILL.
        #expect(bench.send(comPort(2, 8)) == comPort(102, 8))
        bench.send(will(44))
        #expect(bench.send(will(44)) == Telnet.do(44))
        #expect(bench.send(will(44)) == Telnet.do(44))
        #expect(bench.send(comPort(0)) == comPort([0] + Array("RFC 2217 simulator".utf8)))
        var output: [UInt8] = []
        bench.server.holdClient(true, &output)
        bench.server.holdClient(false, &output)
        #expect(output == comPort(8) + comPort(9))
        // A subnegotiation in two segments is lost.
        #expect(bench.send([0xFF, 0xFA, 0x2C, 0x02]).isEmpty)
        #expect(bench.send([0x07, 0xFF, 0xF0]).isEmpty)
        #expect(bench.server.port.settings.dataBits == .eight)
    }

    @Test func mio04() {
        var bench = ServerBench(.mio04)
        bench.negotiate()
        #expect(bench.send(comPort(5, 20)) == comPort(105, 20))
        #expect(bench.server.profile.waitsForDrain && bench.server.profile.isDeafInHalfDuplex)
    }

    @Test(
        arguments: [
            ServerQuirk.noBaudAck: [1], .noPurgeAck: [12], .noMaskAck: [10, 11], .noControlAck: [5],
            .noAcks: [1, 2, 3, 4, 5, 10, 11, 12],
        ] as [ServerQuirk: Set<UInt8>])
    func missingAnswers(_ quirk: ServerQuirk, _ silent: Set<UInt8>) {
        var bench = ServerBench(quirk)
        bench.negotiate()
        let requests: [UInt8: [UInt8]] = [
            1: comPort(1, 0, 0, 0x25, 0x80), 2: comPort(2, 8), 3: comPort(3, 1), 4: comPort(4, 1), 5: comPort(5, 8),
            10: comPort(10, 4), 11: comPort(11, 4), 12: comPort(12, 1),
        ]
        for (code, request) in requests { #expect(bench.send(request).isEmpty == silent.contains(code)) }
        // Unanswered requests are carried out all the same.
        #expect(bench.requests.count == 6)
        #expect(bench.server.lineStateMask == .parity)
    }

    @Test func loseFirstSettings() {
        var bench = ServerBench(.loseFirstSettings)
        bench.negotiate()
        let settings = comPort(1, 0, 1, 0xC2, 0) + comPort(5, 8)
        bench.now = bench.now + .milliseconds(299)
        #expect(bench.send(settings).isEmpty)
        #expect(bench.requests.isEmpty)
        bench.now = bench.now + .milliseconds(1)
        #expect(bench.send(settings) == comPort(101, 0, 1, 0xC2, 0) + comPort(105, 8))
    }

    @Test func differentBaud() {
        var bench = ServerBench(.differentBaud)
        bench.negotiate()
        // 230400 becomes 115200, 250 becomes 300, 9600 stays.
        #expect(bench.send(comPort(1, 0, 3, 0x84, 0)) == comPort(101, 0, 1, 0xC2, 0))
        #expect(bench.send(comPort(1, 0, 0, 0, 250)) == comPort(101, 0, 0, 1, 0x2C))
        #expect(bench.send(comPort(1, 0, 0, 0x25, 0x80)) == comPort(101, 0, 0, 0x25, 0x80))
        #expect(bench.send(comPort(1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)) == comPort(101, 0, 1, 0xC2, 0))
    }

    @Test func rs485() {
        var bench = ServerBench(.noRS485)
        bench.negotiate()
        #expect(bench.send(comPort(5, 20) + comPort(5, 21)).isEmpty)
        bench = ServerBench(.refuseRS485)
        bench.negotiate()
        #expect(bench.send(comPort(5, 20)) == comPort(105, 21))
        #expect(bench.requests.isEmpty)
    }

    @Test func raw() {
        var bench = ServerBench(.raw)
        #expect(bench.open().isEmpty)
        let bytes = will(44) + comPort(1, 0, 0, 0, 0) + [0xFF]
        #expect(bench.send(bytes).isEmpty)
        #expect(bench.line == bytes)
    }

    @Test func refuseComPort() {
        var bench = ServerBench(.refuseComPort)
        #expect(bench.open() == will(0) + Telnet.do(0) + will(3) + Telnet.do(3))
        #expect(bench.send(will(44)) == dont(44))
        #expect(bench.send(Telnet.do(44)) == wont(44))
        #expect(bench.send(comPort(2, 8)).isEmpty)
        bench.send([0x41])
        #expect(bench.line == [0x41])
    }

    @Test func silentAndBanner() {
        var bench = ServerBench(.silent)
        #expect(bench.open().isEmpty)
        #expect(bench.send(will(44) + [0x41] + comPort(2, 8)).isEmpty)
        #expect(bench.events.isEmpty)
        bench = ServerBench(.banner)
        #expect(bench.open().starts(with: Array("Welcome to the serial console\r\n".utf8)))
    }

    @Test func quirksCompose() {
        var bench = ServerBench(.sredird, .noBaudAck, .banner)
        #expect(bench.open().starts(with: Array("Welcome".utf8)))
        bench.send(will(44))
        #expect(bench.send(comPort(1, 0, 0, 0x25, 0x80)).isEmpty)
        #expect(bench.send(comPort(5, 8)) == comPort(105, 1))
    }

    @Test func splitAnswersIsTheDriversToDo() {
        #expect(ServerProfile([.splitAnswers]).segmentSize == 1)
    }
}

extension ServerBench {
    mutating func expire(after nanoseconds: UInt64) -> [UInt8] {
        var output: [UInt8] = []
        server.expire(now: now + nanoseconds, &output)
        return output
    }
}
