import LineDiscipline
import TestSupport
import Testing

/// The tables of flags and codes against the kernel's own headers.
@Suite struct KernelConstantTests {
    @Test func sizes() {
        #expect(KernelConstants.value("struct termio") == UInt32(Termios.termioSize))
        #expect(KernelConstants.value("struct termios") == UInt32(Termios.size))
        #expect(KernelConstants.value("struct termios2") == UInt32(Termios.size2))
    }

    @Test(arguments: [
        ("IGNBRK", InputFlags.IGNBRK), ("BRKINT", .BRKINT), ("IGNPAR", .IGNPAR), ("PARMRK", .PARMRK),
        ("INPCK", .INPCK), ("ISTRIP", .ISTRIP), ("INLCR", .INLCR), ("IGNCR", .IGNCR), ("ICRNL", .ICRNL),
        ("IUCLC", .IUCLC), ("IXON", .IXON), ("IXANY", .IXANY), ("IXOFF", .IXOFF), ("IUTF8", .IUTF8),
    ])
    func inputFlags(_ name: String, _ flag: InputFlags) {
        #expect(KernelConstants.value(name) == flag.rawValue)
    }

    @Test(arguments: [
        ("OPOST", OutputFlags.OPOST), ("OLCUC", .OLCUC), ("ONLCR", .ONLCR), ("OCRNL", .OCRNL), ("ONOCR", .ONOCR),
        ("ONLRET", .ONLRET), ("TABDLY", .TABDLY),
    ])
    func outputFlags(_ name: String, _ flag: OutputFlags) {
        #expect(KernelConstants.value(name) == flag.rawValue)
    }

    @Test(arguments: [
        ("CBAUD", ControlFlags.CBAUD), ("BOTHER", .BOTHER), ("CIBAUD", .CIBAUD), ("CSIZE", .CSIZE), ("CS8", .CS8),
        ("CSTOPB", .CSTOPB), ("CREAD", .CREAD), ("PARENB", .PARENB), ("PARODD", .PARODD), ("HUPCL", .HUPCL),
        ("CLOCAL", .CLOCAL), ("ADDRB", .ADDRB), ("CMSPAR", .CMSPAR), ("CRTSCTS", .CRTSCTS),
    ])
    func controlFlags(_ name: String, _ flag: ControlFlags) {
        #expect(KernelConstants.value(name) == flag.rawValue)
    }

    @Test(arguments: [
        ("ISIG", LocalFlags.ISIG), ("ICANON", .ICANON), ("ECHO", .ECHO), ("ECHOE", .ECHOE), ("ECHOK", .ECHOK),
        ("ECHONL", .ECHONL), ("NOFLSH", .NOFLSH), ("ECHOCTL", .ECHOCTL), ("ECHOPRT", .ECHOPRT), ("ECHOKE", .ECHOKE),
        ("IEXTEN", .IEXTEN), ("EXTPROC", .EXTPROC),
    ])
    func localFlags(_ name: String, _ flag: LocalFlags) {
        #expect(KernelConstants.value(name) == flag.rawValue)
    }

    @Test(arguments: [
        ("VINTR", ControlCharacter.VINTR), ("VQUIT", .VQUIT), ("VERASE", .VERASE), ("VKILL", .VKILL), ("VEOF", .VEOF),
        ("VTIME", .VTIME), ("VMIN", .VMIN), ("VSTART", .VSTART), ("VSTOP", .VSTOP), ("VSUSP", .VSUSP),
        ("VEOL", .VEOL), ("VREPRINT", .VREPRINT), ("VWERASE", .VWERASE), ("VLNEXT", .VLNEXT), ("VEOL2", .VEOL2),
    ])
    func controlCharacters(_ name: String, _ character: ControlCharacter) {
        #expect(KernelConstants.value(name) == UInt32(character.rawValue))
    }

    @Test(arguments: BaudCode.all) func everyRateHasItsCode(_ baud: UInt32) throws {
        let code = try #require(KernelConstants.value("B\(baud)"))
        #expect(BaudCode.code(of: baud) == code)
        #expect(BaudCode.baud(of: code) == baud)
    }

    @Test func everyCodeIsKnown() {
        #expect(BaudCode.all.count == 31)
        #expect(Set(BaudCode.all).count == 31)
        #expect(BaudCode.baud(of: 0x1000) == nil)
        #expect(BaudCode.code(of: 250_000) == 0x1000)
        #expect(BaudCode.code(of: .max) == 0x1000)
    }
}
