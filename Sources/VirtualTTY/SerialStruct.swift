import LineDiscipline
import SerialLine

/// The fields of struct serial_struct (<linux/serial.h>) that have a meaning for a port without a UART chip.
struct SerialStruct: Sendable {
    static let size = 72
    /// A 32-bit caller's (struct serial_struct32).
    static let compatSize = 60
    /// PORT_16550A: programs that print a type expect a working port to have this one.
    static let type: UInt32 = 4
    static let xmitFifoSize: UInt32 = 16
    static let baudBase: UInt32 = 24_000_000
    static let closingWaitNone: UInt16 = 65535

    /// ASYNC_ flags (<linux/tty_flags.h>).
    static let speedMask: UInt32 = 0x1030
    static let speedHigh: UInt32 = 0x10
    static let speedVeryHigh: UInt32 = 0x20
    static let speedCustom: UInt32 = 0x30
    static let speedSuperHigh: UInt32 = 0x1000
    static let speedWarp: UInt32 = 0x1010
    /// Flags that unprivileged callers may change.
    static let userMask: UInt32 = 0x3430

    var line: Int32 = 0
    var flags: UInt32 = 0
    var customDivisor: UInt32 = 0
    /// In 10 ms.
    var closeDelay: UInt16 = 50
    /// In units of 10 ms; 0: no limit, 65535: no wait.
    var closingWait: UInt16 = 3000

    /// How long the last close waits for output, in nanoseconds; nil: no limit.
    var closingWaitNanoseconds: UInt64? {
        switch closingWait {
        case 0: nil
        case Self.closingWaitNone: 0
        default: UInt64(closingWait) * .milliseconds(10)
        }
    }

    /// The rate that 38400 is replaced by (uart_get_baud_rate, uart_get_divisor); nil if 38400 means itself.
    var specialBaud: UInt32? {
        switch flags & Self.speedMask {
        case Self.speedHigh: 57600
        case Self.speedVeryHigh: 115_200
        case Self.speedSuperHigh: 230_400
        case Self.speedWarp: 460_800
        case Self.speedCustom: customDivisor == 0 ? nil : max(1, Self.baudBase / customDivisor)
        default: nil
        }
    }

    /// How long opens that wait for carrier see the lines low after a last close has lowered them, in nanoseconds.
    var closeDelayNanoseconds: UInt64 { UInt64(closeDelay) * .milliseconds(10) }

    /// The bytes of the kernel's structure. A 32-bit caller receives its first part, up to and including
    /// closing_wait; all bytes behind that field are zero in both.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for word in [
            Self.type, UInt32(bitPattern: line), 0, 0, flags, Self.xmitFifoSize, customDivisor, Self.baudBase,
        ] { bytes.appendLittleEndian(word) }
        bytes.appendLittleEndian(UInt32(closeDelay))
        bytes.appendLittleEndian(0)
        bytes.appendLittleEndian(UInt32(closingWait))
        bytes += [UInt8](repeating: 0, count: Self.size - bytes.count)
        return bytes
    }

    /// The structure after a TIOCSSERIAL; nil if the change needs CAP_SYS_ADMIN and the caller lacks it
    /// (uart_set_info). Fields without a meaning here, such as port and irq, are ignored, as usb-serial does.
    func applying(_ bytes: borrowing Span<UInt8>, isAdministrator: () -> Bool) -> SerialStruct? {
        var new = self
        new.flags = bytes.littleEndian32(at: 16)
        new.customDivisor = bytes.littleEndian32(at: 24)
        new.closeDelay = UInt16(truncatingIfNeeded: bytes.littleEndian32(at: 32))
        new.closingWait = UInt16(truncatingIfNeeded: bytes.littleEndian32(at: 40))
        let needsAdministrator =
            new.closeDelay != closeDelay || new.closingWait != closingWait
            || (new.flags ^ flags) & ~Self.userMask != 0
        if needsAdministrator && !isAdministrator() { return nil }
        return new
    }
}
