import LineDiscipline
import SerialLine
import Testing

/// Speeds as set_termios, tty_termios_baud_rate and the serial drivers work them out (TTY-SPEC A.4).
@Suite struct TermiosSpeedTests {
    private static let bother: UInt32 = 0x1000

    /// The default settings with other speeds set on top, by TCSETS2 or, without numbers, by TCSETS.
    private func set(
        _ code: UInt32, input: UInt32 = 0, ispeed: UInt32 = 0, ospeed: UInt32 = 0, on base: Termios = Termios()
    ) throws -> Termios {
        var asked = base
        asked.cflag = ControlFlags(rawValue: base.cflag.rawValue & ~0x100F_100F | code | input << 16)
        asked.ispeed = ispeed
        asked.ospeed = ospeed
        return try #require(base.overlaid(asked.bytes2))
    }

    private func setPlain(_ code: UInt32, input: UInt32 = 0, on base: Termios = Termios()) throws -> Termios {
        var asked = base
        asked.cflag = ControlFlags(rawValue: base.cflag.rawValue & ~0x100F_100F | code | input << 16)
        return try #require(base.overlaid(asked.bytes))
    }

    private func codes(_ termios: Termios) -> UInt32 { termios.cflag.rawValue & 0x100F_100F }

    @Test(arguments: BaudCode.all) func everyConstant(_ baud: UInt32) throws {
        let code = BaudCode.code(of: baud)
        for termios in [try setPlain(code), try set(code, ispeed: 77, ospeed: 88)] {
            #expect(termios.ospeed == baud)
            #expect(termios.ispeed == baud)
            #expect(codes(termios) == code)
        }
    }

    /// F.2, 22 and 23.
    @Test func aRateWithoutAConstantSurvivesTCSETS() throws {
        let odd = try set(Self.bother, ispeed: 250_000, ospeed: 250_000)
        #expect(odd.ospeed == 250_000 && odd.ispeed == 250_000)
        #expect(codes(odd) == Self.bother)
        let again = try #require(odd.overlaid(odd.bytes))
        #expect(again == odd)
        let short = try #require(odd.overlaid(odd.termioBytes))
        #expect(short == odd)
    }

    /// F.2, 24.
    @Test func aNumberThatHasAConstantReadsBackAsIt() throws {
        let termios = try set(Self.bother, ispeed: 115_200, ospeed: 115_200)
        #expect(codes(termios) == 0x1002)
        #expect(termios.ospeed == 115_200 && termios.ispeed == 115_200)
    }

    /// F.2, 25: the input speed's code stays, and stands for the input speed, however often it is set again.
    @Test func anInputSpeedOfItsOwnIsKept() throws {
        let termios = try set(0xD, input: 0xB)
        #expect(termios.ospeed == 9600 && termios.ispeed == 2400)
        #expect(codes(termios) == 0x000B_000D)
        let again = try #require(termios.overlaid(termios.bytes))
        #expect(again == termios)
    }

    @Test func anInputSpeedByNumber() throws {
        let termios = try set(0xD, input: Self.bother, ispeed: 12345)
        #expect(termios.ospeed == 9600 && termios.ispeed == 12345)
        #expect(codes(termios) == 0x1000_000D)
        #expect(termios.overlaid(termios.bytes) == termios)
    }

    @Test func withoutACodeTheInputSpeedIsTheOutputs() throws {
        let termios = try set(0xE, ispeed: 300)
        #expect(termios.ispeed == 19200)
        let split = try set(0xD, input: 0xB)
        let common = try setPlain(0xE, on: split)
        #expect(common.ispeed == 19200)
    }

    /// F.2, 26 and 27.
    @Test func zeroIsStored() throws {
        let hungUp = try setPlain(0)
        #expect(hungUp.ospeed == 0 && hungUp.ispeed == 0)
        #expect(hungUp.isB0)
        #expect(codes(hungUp) == 0)
        #expect(hungUp.lineSettings(baudAtB0: 4800).baud == 4800)
        let back = try setPlain(0xD, on: hungUp)
        #expect(back.ospeed == 9600 && !back.isB0)
    }

    // What the far end really does (tty_termios_encode_baud_rate).

    @Test func aCloseRateLeavesTheConstant() throws {
        var termios = try setPlain(0x1002)
        for baud in [115_200, 112_896, 117_504] as [UInt32] {
            termios.adopt(baud: baud)
            #expect(termios.ospeed == 115_200)
            #expect(codes(termios) == 0x1002)
        }
    }

    @Test func anotherRateIsShown() throws {
        var termios = try setPlain(0x1002)
        termios.adopt(baud: 57600)
        #expect(termios.ospeed == 57600 && termios.ispeed == 57600)
        #expect(codes(termios) == 0x1001)
        termios.adopt(baud: 59000)
        #expect(codes(termios) == Self.bother)
        #expect(termios.ospeed == 59000 && termios.ispeed == 59000)
    }

    @Test func aRateByNumberIsShownExactly() throws {
        var termios = try set(Self.bother, ospeed: 250_000)
        termios.adopt(baud: 249_999)
        #expect(termios.ospeed == 249_999)
        #expect(codes(termios) == Self.bother)
    }

    @Test func anInputCodeFollowsTheFarEndsRate() throws {
        var termios = try set(0xD, input: 0xB)
        termios.adopt(baud: 19200)
        #expect(termios.ispeed == 19200)
        #expect(codes(termios) == 0x000E_000E)
    }
}
