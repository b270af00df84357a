import LineDiscipline

/// The tty ioctls this port answers, by the kernel's names (<asm-generic/ioctls.h>).
package enum Ioctl: UInt32, Sendable, CaseIterable {
    case TCGETS = 0x5401
    case TCSETS = 0x5402
    case TCSETSW = 0x5403
    case TCSETSF = 0x5404
    case TCGETA = 0x5405
    case TCSETA = 0x5406
    case TCSETAW = 0x5407
    case TCSETAF = 0x5408
    case TCSBRK = 0x5409
    case TCXONC = 0x540A
    case TCFLSH = 0x540B
    case TIOCEXCL = 0x540C
    case TIOCNXCL = 0x540D
    case TIOCSCTTY = 0x540E
    case TIOCOUTQ = 0x5411
    case TIOCSTI = 0x5412
    case TIOCGWINSZ = 0x5413
    case TIOCSWINSZ = 0x5414
    case TIOCMGET = 0x5415
    case TIOCMBIS = 0x5416
    case TIOCMBIC = 0x5417
    case TIOCMSET = 0x5418
    case TIOCGSOFTCAR = 0x5419
    case TIOCSSOFTCAR = 0x541A
    case FIONREAD = 0x541B
    case TIOCGSERIAL = 0x541E
    case TIOCSSERIAL = 0x541F
    case TIOCSETD = 0x5423
    case TIOCGETD = 0x5424
    case TCSBRKP = 0x5425
    case TIOCSBRK = 0x5427
    case TIOCCBRK = 0x5428
    case TIOCGRS485 = 0x542E
    case TIOCSRS485 = 0x542F
    case TIOCVHANGUP = 0x5437
    case TIOCGLCKTRMIOS = 0x5456
    case TIOCSLCKTRMIOS = 0x5457
    case TIOCSERGETLSR = 0x5459
    case TIOCMIWAIT = 0x545C
    case TIOCGICOUNT = 0x545D
    case TCGETS2 = 0x802C_542A
    case TCSETS2 = 0x402C_542B
    case TCSETSW2 = 0x402C_542C
    case TCSETSF2 = 0x402C_542D
    case TIOCGDEV = 0x8004_5432
    case TIOCGEXCL = 0x8004_5440

    /// Bytes of the argument that the kernel copies in before the call and out after it. If both are 0, the argument
    /// is a value, or unused.
    package var copies: (in: Int, out: Int) {
        switch self {
        case .TCGETS, .TIOCGLCKTRMIOS: (0, Termios.size)
        case .TCSETS, .TCSETSW, .TCSETSF, .TIOCSLCKTRMIOS: (Termios.size, 0)
        case .TCGETS2: (0, Termios.size2)
        case .TCSETS2, .TCSETSW2, .TCSETSF2: (Termios.size2, 0)
        case .TCGETA: (0, Termios.termioSize)
        case .TCSETA, .TCSETAW, .TCSETAF: (Termios.termioSize, 0)
        case .TIOCGWINSZ: (0, 8)
        case .TIOCSWINSZ: (8, 0)
        case .TIOCOUTQ, .FIONREAD, .TIOCMGET, .TIOCGETD, .TIOCGEXCL, .TIOCGSOFTCAR, .TIOCGDEV, .TIOCSERGETLSR: (0, 4)
        case .TIOCMBIS, .TIOCMBIC, .TIOCMSET, .TIOCSSOFTCAR, .TIOCSETD: (4, 0)
        case .TIOCSTI: (1, 0)
        case .TIOCGSERIAL: (0, SerialStruct.size)
        case .TIOCSSERIAL: (SerialStruct.size, 0)
        case .TIOCGRS485: (0, SerialRS485.size)
        case .TIOCSRS485: (SerialRS485.size, SerialRS485.size)
        case .TIOCGICOUNT: (0, 80)
        case .TCSBRK, .TCSBRKP, .TIOCSBRK, .TIOCCBRK, .TCXONC, .TCFLSH, .TIOCEXCL, .TIOCNXCL, .TIOCMIWAIT, .TIOCSCTTY,
            .TIOCVHANGUP:
            (0, 0)
        }
    }

    /// The same for a 32-bit caller of a 64-bit kernel (FUSE_IOCTL_COMPAT): one structure of the tty's ioctls
    /// differs.
    package var compatCopies: (in: Int, out: Int) {
        switch self {
        case .TIOCGSERIAL: (0, SerialStruct.compatSize)
        case .TIOCSSERIAL: (SerialStruct.compatSize, 0)
        default: copies
        }
    }
}

/// A capability that an ioctl may require of its caller (capabilities(7)).
package enum Capability: Sendable {
    case sysAdmin
    case netAdmin
    /// CAP_CHECKPOINT_RESTORE, for which CAP_SYS_ADMIN stands too.
    case checkpointRestore
}

/// One ioctl request as the kernel sends it.
package struct IoctlCall: Sendable {
    package let command: UInt32
    /// The argument as a number: a value, or the address it was copied from.
    package let argument: UInt64
    /// Bytes that may be copied out.
    package let outSize: Int
    /// The caller is a 32-bit program.
    package let isCompat: Bool

    package init(command: UInt32, argument: UInt64, outSize: Int, isCompat: Bool = false) {
        self.command = command
        self.argument = argument
        self.outSize = outSize
        self.isCompat = isCompat
    }
}
