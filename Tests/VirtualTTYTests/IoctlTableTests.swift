import LineDiscipline
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// The numbers and sizes of the ioctls, and the two passes they come in (TTY-SPEC A.3, F.1).
@Suite struct IoctlTableTests {
    @Test(arguments: Ioctl.allCases) func numbersAreTheKernels(_ ioctl: Ioctl) {
        #expect(KernelConstants.value("\(ioctl)") == ioctl.rawValue)
    }

    /// TTY-SPEC A.3, and the kernel's sizes if it has a structure.
    private static let sizes: [(Ioctl, Int, Int)] = [
        (.TCGETS, 0, 36), (.TCSETS, 36, 0), (.TCSETSW, 36, 0), (.TCSETSF, 36, 0), (.TCGETA, 0, 18), (.TCSETA, 18, 0),
        (.TCSETAW, 18, 0), (.TCSETAF, 18, 0), (.TCSBRK, 0, 0), (.TCXONC, 0, 0), (.TCFLSH, 0, 0), (.TIOCEXCL, 0, 0),
        (.TIOCNXCL, 0, 0), (.TIOCOUTQ, 0, 4), (.TIOCGWINSZ, 0, 8), (.TIOCSWINSZ, 8, 0), (.TIOCMGET, 0, 4),
        (.TIOCMBIS, 4, 0), (.TIOCMBIC, 4, 0), (.TIOCMSET, 4, 0), (.FIONREAD, 0, 4), (.TIOCGSERIAL, 0, 72),
        (.TIOCSSERIAL, 72, 0), (.TIOCGETD, 0, 4), (.TIOCSETD, 4, 0), (.TCSBRKP, 0, 0), (.TIOCSBRK, 0, 0),
        (.TIOCCBRK, 0, 0),
        (.TIOCGRS485, 0, 32), (.TIOCSRS485, 32, 32), (.TIOCMIWAIT, 0, 0), (.TIOCGICOUNT, 0, 80), (.TCGETS2, 0, 44),
        (.TCSETS2, 44, 0), (.TCSETSW2, 44, 0), (.TCSETSF2, 44, 0), (.TIOCGEXCL, 0, 4),
    ]

    @Test func sizesAreTheKernels() {
        for (ioctl, copyIn, copyOut) in Self.sizes {
            #expect(ioctl.copies.in == copyIn, "\(ioctl)")
            #expect(ioctl.copies.out == copyOut, "\(ioctl)")
        }
        #expect(KernelConstants.value("struct serial_struct") == 72)
        #expect(KernelConstants.value("struct serial_icounter_struct") == 80)
        #expect(KernelConstants.value("struct serial_rs485") == 32)
        #expect(KernelConstants.value("struct winsize") == 8)
    }

    /// The first pass asks for the argument, before any check; the second pass has it.
    @Test func theFirstPassAsksForTheArgument() throws {
        try withPort { port in
            let file = try port.openFile()
            for (ioctl, copyIn, copyOut) in Self.sizes where copyIn + copyOut > 0 {
                let first = port.call(file, ioctl.rawValue, value: 0x7FFF_0000)
                #expect(port.outcome(first) == .retry(copyIn: copyIn, copyOut: copyOut), "\(ioctl)")
                let lacking = port.call(
                    file, ioctl.rawValue, [UInt8](repeating: 0, count: max(copyIn - 1, 0)),
                    outSize: max(copyOut - 1, 0))
                #expect(port.outcome(lacking) == .retry(copyIn: copyIn, copyOut: copyOut), "\(ioctl)")
            }
        }
    }

    @Test func theLastPassAnswersInFull() throws {
        try withPort { port in
            let file = try port.openFile()
            for (ioctl, copyIn, copyOut) in Self.sizes where copyIn == 0 && copyOut > 0 {
                try #expect(port.get(file, ioctl).count == copyOut, "\(ioctl)")
            }
        }
    }

    /// F.1, 10 to 12: unknown ioctls fail on the first pass, without reading the caller's memory.
    @Test func unknownOnesAreNone() throws {
        let numbers: [UInt32] = [
            0x1234, 0x54FF, 0x4B44, 0x8910, 0x5420, 0x8004_5430, 0x4004_5431, 0x5441, 0x4004_5436, 0x541C, 0x5432,
            0x545A, 0x540F, 0x5410, 0x5429, 0x5422, 0, .max,
        ]
        try withPort { port in
            let file = try port.openFile()
            for number in numbers {
                let call = port.call(file, number, value: 0x1000)
                #expect(port.outcome(call) == .error(.inappropriateIOCTLForDevice), "\(number)")
            }
        }
    }

    /// F.1, 2 to 8.
    @Test func aFreshPort() throws {
        try withPort { port in
            let file = try port.openFile()
            try #expect(port.get(file, .TCGETS) == Termios().bytes)
            try #expect(port.get(file, .TCGETS2) == Termios().bytes2)
            try #expect(port.get(file, .TCGETA) == Termios().termioBytes)
            try #expect(port.get(file, .TIOCGWINSZ) == [0, 0, 0, 0, 0, 0, 0, 0])
            let size: [UInt8] = [24, 0, 80, 0, 0, 0, 0, 0]
            let set = port.ioctl(file, .TIOCSWINSZ, size)
            #expect(port.outcome(set) == .ioctl([]))
            try #expect(port.get(file, .TIOCGWINSZ) == size)
            try #expect(port.number(file, .TIOCGETD) == 0)
            try #expect(port.number(file, .TIOCGEXCL) == 0)
            try #expect(port.number(file, .FIONREAD) == 0)
            try #expect(port.number(file, .TIOCOUTQ) == 0)
            try #expect(port.get(file, .TIOCGICOUNT) == [UInt8](repeating: 0, count: 80))
        }
    }
}
