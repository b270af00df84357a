/// c_iflag (<asm/termbits.h>).
package struct InputFlags: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let IGNBRK = InputFlags(rawValue: 0x1)
    package static let BRKINT = InputFlags(rawValue: 0x2)
    package static let IGNPAR = InputFlags(rawValue: 0x4)
    package static let PARMRK = InputFlags(rawValue: 0x8)
    package static let INPCK = InputFlags(rawValue: 0x10)
    package static let ISTRIP = InputFlags(rawValue: 0x20)
    package static let INLCR = InputFlags(rawValue: 0x40)
    package static let IGNCR = InputFlags(rawValue: 0x80)
    package static let ICRNL = InputFlags(rawValue: 0x100)
    package static let IUCLC = InputFlags(rawValue: 0x200)
    package static let IXON = InputFlags(rawValue: 0x400)
    package static let IXANY = InputFlags(rawValue: 0x800)
    package static let IXOFF = InputFlags(rawValue: 0x1000)
    package static let IUTF8 = InputFlags(rawValue: 0x4000)
}

/// c_oflag.
package struct OutputFlags: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let OPOST = OutputFlags(rawValue: 0x1)
    package static let OLCUC = OutputFlags(rawValue: 0x2)
    package static let ONLCR = OutputFlags(rawValue: 0x4)
    package static let OCRNL = OutputFlags(rawValue: 0x8)
    package static let ONOCR = OutputFlags(rawValue: 0x10)
    package static let ONLRET = OutputFlags(rawValue: 0x20)
    /// The bits of the tab delay. All of them set (XTABS): tabs become spaces.
    package static let TABDLY = OutputFlags(rawValue: 0x1800)
}

/// c_cflag.
package struct ControlFlags: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The bits of the output speed's code.
    package static let CBAUD = ControlFlags(rawValue: 0x100F)
    /// The speed code for rates without a constant: the rate is in c_ospeed.
    package static let BOTHER = ControlFlags(rawValue: 0x1000)
    /// The bits of the input speed's code, which is an output code shifted by 16.
    package static let CIBAUD = ControlFlags(rawValue: 0x100F_0000)
    package static let CSIZE = ControlFlags(rawValue: 0x30)
    package static let CS8 = ControlFlags(rawValue: 0x30)
    package static let CSTOPB = ControlFlags(rawValue: 0x40)
    package static let CREAD = ControlFlags(rawValue: 0x80)
    package static let PARENB = ControlFlags(rawValue: 0x100)
    package static let PARODD = ControlFlags(rawValue: 0x200)
    package static let HUPCL = ControlFlags(rawValue: 0x400)
    package static let CLOCAL = ControlFlags(rawValue: 0x800)
    package static let ADDRB = ControlFlags(rawValue: 0x2000_0000)
    package static let CMSPAR = ControlFlags(rawValue: 0x4000_0000)
    package static let CRTSCTS = ControlFlags(rawValue: 0x8000_0000)
}

/// c_lflag.
package struct LocalFlags: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let ISIG = LocalFlags(rawValue: 0x1)
    package static let ICANON = LocalFlags(rawValue: 0x2)
    package static let ECHO = LocalFlags(rawValue: 0x8)
    package static let ECHOE = LocalFlags(rawValue: 0x10)
    package static let ECHOK = LocalFlags(rawValue: 0x20)
    package static let ECHONL = LocalFlags(rawValue: 0x40)
    package static let NOFLSH = LocalFlags(rawValue: 0x80)
    package static let ECHOCTL = LocalFlags(rawValue: 0x200)
    package static let ECHOPRT = LocalFlags(rawValue: 0x400)
    package static let ECHOKE = LocalFlags(rawValue: 0x800)
    package static let IEXTEN = LocalFlags(rawValue: 0x8000)
    package static let EXTPROC = LocalFlags(rawValue: 0x10000)
}

/// Indexes in c_cc.
package enum ControlCharacter: Int, Sendable {
    case VINTR = 0
    case VQUIT = 1
    case VERASE = 2
    case VKILL = 3
    case VEOF = 4
    case VTIME = 5
    case VMIN = 6
    case VSTART = 8
    case VSTOP = 9
    case VSUSP = 10
    case VEOL = 11
    case VREPRINT = 12
    case VWERASE = 14
    case VLNEXT = 15
    case VEOL2 = 16
}

/// Bxxx codes: 0…15 for B0 to B38400, 0x1001… from B57600.
package enum BaudCode {
    private static let low: [UInt32] = [
        0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
    ]
    private static let high: [UInt32] = [
        57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
        2_500_000, 3_000_000, 3_500_000, 4_000_000,
    ]

    /// The rate of a code in bits per second; nil for BOTHER.
    package static func baud(of code: UInt32) -> UInt32? {
        let index = Int(code & 0xF)
        if code & 0x1000 == 0 { return low[index] }
        return index == 0 ? nil : high[index - 1]
    }

    /// The code of a rate; BOTHER if it has no constant.
    package static func code(of baud: UInt32) -> UInt32 {
        if let index = low.firstIndex(of: baud) { return UInt32(index) }
        if let index = high.firstIndex(of: baud) { return 0x1001 + UInt32(index) }
        return ControlFlags.BOTHER.rawValue
    }

    /// All rates with a constant, including B0.
    package static var all: [UInt32] { low + high }
}
