import LineDiscipline
import TestSupport
import Testing

/// What TCSETS, TCSETS2 and TCSETA leave behind, bit for bit (TTY-SPEC A.4, F.2).
@Suite struct TermiosOverlayTests {
    @Test func defaults() {
        let bytes = wire(
            """
            00 05 00 00                                              | c_iflag: ICRNL IXON
            05 00 00 00                                              | c_oflag: OPOST ONLCR
            BD 0C 00 00                                              | c_cflag: B9600 CS8 CREAD HUPCL CLOCAL
            3B 8A 00 00                                              | c_lflag: ISIG ICANON ECHO ECHOE ECHOK …
            00                                                       | c_line
            03 1C 7F 15 04 00 01 00 11 13 1A 00 12 0F 17 16 00 00 00 | c_cc
            """)
        #expect(Termios().bytes == bytes)
        #expect(Termios().bytes2 == bytes + wire("80 25 00 00 | c_ispeed\n80 25 00 00 | c_ospeed"))
        let short = wire(
            """
            00 05                   | c_iflag
            05 00                   | c_oflag
            BD 0C                   | c_cflag
            3B 8A                   | c_lflag
            00                      | c_line
            03 1C 7F 15 04 00 01 00 | c_cc
            00                      | padding
            """)
        #expect(Termios().termioBytes == short)
    }

    @Test func onlyTheThreeSizesAreTaken() {
        for count in 0...64 {
            let taken = Termios().overlaid([UInt8](repeating: 0, count: count)) != nil
            #expect(taken == [18, 36, 44].contains(count))
        }
    }

    /// F.2, 19: what cfmakeraw(3) with CLOCAL and CREAD sets reads back the same.
    @Test func rawReadsBackTheSame() throws {
        var raw = Termios()
        raw.iflag = []
        raw.oflag = []
        raw.cflag = [.CS8, .CREAD, .CLOCAL, ControlFlags(rawValue: 0x1002)]
        raw.lflag = []
        raw[.VMIN] = 1
        raw[.VTIME] = 0
        let set = try #require(Termios().overlaid(raw.bytes))
        #expect(set.bytes == raw.bytes)
        #expect(set.ospeed == 115_200 && set.ispeed == 115_200)
    }

    /// F.2, 20 and A.4 "exactness": unknown flags, and c_line, are kept as given.
    @Test func everyOtherBitIsKept() throws {
        var random = SplitMix64(seed: 19)
        for _ in 0..<2000 {
            var bytes = random.bytes(Termios.size2)
            bytes[11] &= 0xDF  // ADDRB is the driver's
            let set = try #require(Termios().overlaid(bytes)).bytes2
            let codes: UInt32 = 0x100F_100F
            let cflag = bytes.number(at: 8)
            #expect(set.number(at: 8) & ~codes == cflag & ~codes)
            #expect(set[0..<8] == bytes[0..<8])
            #expect(set[12..<36] == bytes[12..<36])
        }
    }

    @Test func whatReadsBackSetsTheSameAgain() throws {
        var random = SplitMix64(seed: 20)
        var current = Termios()
        for _ in 0..<2000 {
            current = try #require(current.overlaid(random.bytes(Termios.size2)))
            #expect(current.overlaid(current.bytes2) == current)
            #expect(current.overlaid(current.bytes) == current)
            #expect(current.overlaid(current.termioBytes) == current)
        }
    }

    /// F.2, 28.
    @Test func theShortStructureKeepsTheHighHalves() throws {
        var termios = Termios()
        termios.iflag = InputFlags(rawValue: 0xA5A5_0500)
        termios.cflag.formUnion([.CRTSCTS, .CMSPAR])
        let bytes = wire(
            """
            34 12                   | c_iflag
            78 56                   | c_oflag
            BE 0C                   | c_cflag: B19200
            01 00                   | c_lflag
            07                      | c_line
            A0 A1 A2 A3 A4 A5 A6 A7 | c_cc
            00                      | padding
            """)
        let set = try #require(termios.overlaid(bytes))
        #expect(set.iflag.rawValue == 0xA5A5_1234)
        #expect(set.oflag.rawValue == 0x0000_5678)
        #expect(set.cflag.rawValue == 0xC000_0CBE)
        #expect(set.lflag.rawValue == 0x0000_0001)
        #expect(set.line == 7)
        #expect(set.cc == [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7] + Termios().cc[8...])
        #expect(set.ospeed == 19200)
    }

    /// tty_set_termios keeps ADDRB from the old value, whatever is asked for.
    @Test func addressModeIsTheDrivers() throws {
        var asked = Termios()
        asked.cflag.insert(.ADDRB)
        let set = try #require(Termios().overlaid(asked.bytes))
        #expect(!set.cflag.contains(.ADDRB))
        let cleared = try #require(asked.overlaid(Termios().bytes))
        #expect(cleared.cflag.contains(.ADDRB))
    }
}
