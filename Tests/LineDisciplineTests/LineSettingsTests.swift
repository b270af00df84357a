import LineDiscipline
import SerialLine
import Testing

/// termios to the line and back (TTY-SPEC A.4, A.7).
@Suite struct LineSettingsTests {
    private func settings(
        _ cflag: ControlFlags = [], size: UInt32 = 0x30, _ iflag: InputFlags = []
    ) -> LineSettings {
        var termios = Termios()
        termios.iflag = iflag
        termios.cflag = cflag.union(ControlFlags(rawValue: 0xD | size))
        return termios.lineSettings(baudAtB0: 1)
    }

    @Test func plain() {
        #expect(settings() == LineSettings(baud: 9600))
        // IXON is set in a port's initial settings.
        #expect(Termios().lineSettings(baudAtB0: 1) == LineSettings(baud: 9600, flow: .xonXoff))
    }

    @Test(arguments: [(0x00, DataBits.five), (0x10, .six), (0x20, .seven), (0x30, .eight)] as [(UInt32, DataBits)])
    func dataBits(_ size: UInt32, _ bits: DataBits) { #expect(settings(size: size).dataBits == bits) }

    @Test(
        arguments: [
            ([], .none), ([.PARODD], .none), ([.CMSPAR], .none), ([.PARENB], .even), ([.PARENB, .PARODD], .odd),
            ([.PARENB, .CMSPAR, .PARODD], .mark), ([.PARENB, .CMSPAR], .space),
        ] as [(ControlFlags, Parity)])
    func parity(_ flags: ControlFlags, _ parity: Parity) { #expect(settings(flags).parity == parity) }

    @Test func stopBits() {
        for size in [0x10, 0x20, 0x30] as [UInt32] {
            #expect(settings(size: size).stopBits == .one)
            #expect(settings(.CSTOPB, size: size).stopBits == .two)
        }
        #expect(settings(size: 0).stopBits == .one)
        #expect(settings(.CSTOPB, size: 0).stopBits == .oneAndHalf)
    }

    @Test(
        arguments: [
            ([], [], .none, .none), ([], [.IXON], .xonXoff, .none), ([], [.IXOFF], .none, .xonXoff),
            ([], [.IXON, .IXOFF], .xonXoff, .xonXoff), ([.CRTSCTS], [], .hardware, .hardware),
            ([.CRTSCTS], [.IXON, .IXOFF], .hardware, .hardware),
        ] as [(ControlFlags, InputFlags, FlowControl, FlowControl)])
    func flow(_ cflag: ControlFlags, _ iflag: InputFlags, _ out: FlowControl, _ inbound: FlowControl) {
        #expect(settings(cflag, iflag).flow == out)
        #expect(settings(cflag, iflag).inboundFlow == inbound)
    }

    // What the far end says it uses.

    @Test(arguments: DataBits.allCases) func adoptsDataBits(_ bits: DataBits) {
        var termios = Termios()
        termios.adopt(dataBits: bits)
        #expect(termios.lineSettings(baudAtB0: 1).dataBits == bits)
        #expect(termios.cflag.subtracting(.CSIZE) == Termios().cflag.subtracting(.CSIZE))
    }

    @Test(arguments: Parity.allCases, Parity.allCases) func adoptsParity(_ old: Parity, _ new: Parity) {
        var termios = Termios()
        termios.adopt(parity: old)
        termios.adopt(parity: new)
        #expect(termios.lineSettings(baudAtB0: 1).parity == new)
        #expect(termios.cflag.subtracting([.PARENB, .PARODD, .CMSPAR]) == Termios().cflag)
    }

    @Test func adoptsStopBits() {
        var termios = Termios()
        termios.adopt(stopBits: .two)
        #expect(termios.lineSettings(baudAtB0: 1).stopBits == .two)
        termios.adopt(stopBits: .one)
        #expect(termios == Termios())
        termios.adopt(dataBits: .five)
        termios.adopt(stopBits: .oneAndHalf)
        #expect(termios.lineSettings(baudAtB0: 1).stopBits == .oneAndHalf)
    }

    @Test func adoptsTheLackOfHardwareFlowControl() {
        var termios = Termios()
        termios.cflag.insert(.CRTSCTS)
        termios.adopt(flow: .hardware)
        #expect(termios.cflag.contains(.CRTSCTS))
        termios.adopt(flow: .none)
        #expect(!termios.cflag.contains(.CRTSCTS))
    }
}
