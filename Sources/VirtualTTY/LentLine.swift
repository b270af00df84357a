import SystemPackage

/// The line, lent to one of the kernel's own line disciplines (N_PPP, N_SLIP, N_SLCAN …). The discipline is attached
/// to a hidden pseudo-terminal that the I/O layer owns; received bytes are passed to it, and the bytes that it
/// transmits are sent to the remote port.
struct LentLine: Sendable {
    /// The discipline's number; 0 (N_TTY) if the line is not lent.
    var number: Int32 = 0
    /// Received bytes that the discipline has not taken yet: the kernel's flip buffer.
    var received: [UInt8] = []
    /// The bytes that the discipline transmits found no room; `feedDiscipline` must follow when there is some.
    var isHeldBack = false
    /// The pseudo-terminal is closing; bytes that the discipline transmitted before may still arrive.
    var isReturning = false
    /// Bytes that still arrive are discarded.
    var discardsRest = false

    var isLent: Bool { number != 0 }
}

/// A call on the hidden pseudo-terminal's slave. Calls are carried out in order.
package enum DisciplineCall: Equatable, Sendable {
    /// TIOCSETD; creates the pseudo-terminal if it does not exist.
    case set(Int32, asNetworkAdministrator: Bool)
    /// An ioctl that the discipline answers. Its argument is `value`, or memory if bytes are copied in or out.
    case ioctl(UInt32, value: UInt64, in: [UInt8], outSize: Int, asNetworkAdministrator: Bool)
    case read(Int)
    case write([UInt8])
}

/// The result of a `DisciplineCall`.
package enum DisciplineAnswer: Equatable, Sendable {
    /// Bytes to copy out to the caller, or bytes read.
    case bytes([UInt8])
    case written(Int)
    /// An error; `reason` adds detail to the number, if there is any.
    case failed(Errno, reason: String?)
}

/// The ioctls that line disciplines answer (<linux/ppp-ioctl.h>, <linux/sockios.h>, <linux/gsmmux.h>).
package enum DisciplineIoctl: UInt32, Sendable, CaseIterable {
    // N_PPP, N_SYNC_PPP.
    case PPPIOCGCHAN = 0x8004_7437
    case PPPIOCGUNIT = 0x8004_7456
    case PPPIOCGFLAGS = 0x8004_745A
    case PPPIOCSFLAGS = 0x4004_7459
    case PPPIOCGASYNCMAP = 0x8004_7458
    case PPPIOCSASYNCMAP = 0x4004_7457
    case PPPIOCGRASYNCMAP = 0x8004_7455
    case PPPIOCSRASYNCMAP = 0x4004_7454
    case PPPIOCGMRU = 0x8004_7453
    case PPPIOCSMRU = 0x4004_7452
    case PPPIOCGXASYNCMAP = 0x8020_7450
    case PPPIOCSXASYNCMAP = 0x4020_744F
    // N_SLIP, N_SLCAN and related disciplines.
    case SIOCGIFNAME = 0x8910
    case SIOCSIFHWADDR = 0x8924
    case SIOCGIFENCAP = 0x8925
    case SIOCSIFENCAP = 0x8926
    case SIOCSKEEPALIVE = 0x89F0
    case SIOCGKEEPALIVE = 0x89F1
    case SIOCSOUTFILL = 0x89F2
    case SIOCGOUTFILL = 0x89F3
    case SIOCSLEASE = 0x89F4
    case SIOCGLEASE = 0x89F5
    // N_GSM0710.
    case GSMIOC_GETCONF = 0x804C_4700
    case GSMIOC_SETCONF = 0x404C_4701
    case GSMIOC_ENABLE_NET = 0x4034_4702
    case GSMIOC_DISABLE_NET = 0x4703
    case GSMIOC_GETFIRST = 0x8004_4704

    /// An interface's name (IFNAMSIZ).
    static let nameSize = 16
    /// Size of an AX.25 address, the longest address that these ioctls use.
    static let addressSize = 7

    /// Bytes of the argument that the kernel copies in before the call and out after it.
    package var copies: (in: Int, out: Int) {
        switch self {
        case .SIOCGIFNAME: return (0, Self.nameSize)
        case .SIOCGIFENCAP, .SIOCGKEEPALIVE, .SIOCGOUTFILL, .SIOCGLEASE: return (0, 4)
        case .SIOCSIFENCAP, .SIOCSKEEPALIVE, .SIOCSOUTFILL, .SIOCSLEASE: return (4, 0)
        case .SIOCSIFHWADDR: return (Self.addressSize, 0)
        default:
            // The other ioctl numbers contain the size (_IOR, _IOW).
            let size = Int(rawValue >> 16 & 0x3FFF)
            return (rawValue & 0x4000_0000 != 0 ? size : 0, rawValue & 0x8000_0000 != 0 ? size : 0)
        }
    }
}
