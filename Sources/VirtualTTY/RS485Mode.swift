import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

/// struct serial_rs485 (<linux/serial.h>).
struct SerialRS485: Sendable, Equatable {
    static let size = 32
    static let enabled: UInt32 = 1
    static let rtsOnSend: UInt32 = 1 << 1
    static let rtsAfterSend: UInt32 = 1 << 2
    static let terminateBus: UInt32 = 1 << 5
    static let addressing: UInt32 = 1 << 6
    static let addressReceive: UInt32 = 1 << 7
    static let addressDestination: UInt32 = 1 << 8
    static let modeRS422: UInt32 = 1 << 9
    /// SER_RS485_ENABLED … SER_RS485_MODE_RS422 (bit 9): all that the kernel defines. Bit 3 has no meaning.
    static let knownFlags: UInt32 = 0x3F7
    /// The longest delay a driver takes, in milliseconds (RS485_MAX_RTS_DELAY).
    static let longestDelay: UInt32 = 100

    var flags: UInt32 = 0
    /// Milliseconds between RTS and data.
    var delayBefore: UInt32 = 0
    var delayAfter: UInt32 = 0
    /// addr_recv, addr_dest.
    var receiveAddress: UInt8 = 0
    var destinationAddress: UInt8 = 0

    var isEnabled: Bool { has(Self.enabled) }

    private func has(_ flag: UInt32) -> Bool { flags & flag != 0 }

    init() {}

    init(_ bytes: borrowing Span<UInt8>) {
        flags = bytes.littleEndian32(at: 0)
        delayBefore = bytes.littleEndian32(at: 4)
        delayAfter = bytes.littleEndian32(at: 8)
        receiveAddress = bytes[12]
        destinationAddress = bytes[13]
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for word in [flags, delayBefore, delayAfter] { bytes.appendLittleEndian(word) }
        bytes += [receiveAddress, destinationAddress]
        return bytes + [UInt8](repeating: 0, count: Self.size - bytes.count)
    }

    /// Returns whether the flags are consistent (uart_check_rs485_flags).
    var isValid: Bool {
        if has(~Self.knownFlags) { return false }
        if !has(Self.addressing) && has(Self.addressReceive | Self.addressDestination) { return false }
        return (has(Self.addressReceive) || receiveAddress == 0)
            && (has(Self.addressDestination) || destinationAddress == 0)
    }

    /// The settings that a driver keeps (uart_sanitize_serial_rs485): a mode that is off keeps nothing, RTS has one
    /// level while sending and the other afterwards, RS422 has none.
    var sanitized: SerialRS485 {
        guard isEnabled else { return SerialRS485() }
        var sane = self
        if has(Self.modeRS422) {
            sane.flags &= Self.enabled | Self.modeRS422 | Self.terminateBus
        } else if has(Self.rtsOnSend) == has(Self.rtsAfterSend) {
            sane.flags = flags & ~Self.rtsAfterSend | Self.rtsOnSend
        }
        sane.delayBefore = min(delayBefore, Self.longestDelay)
        sane.delayAfter = min(delayAfter, Self.longestDelay)
        return sane
    }
}

/// How a request for RS485 mode ended.
enum RS485Outcome: Equatable, Sendable {
    /// The mode is active.
    case inForce(SerialRS485)
    /// The server refused it, or did not answer.
    case refused
    /// The connection ended first.
    case lost
}

/// RS485 mode: the active settings, and the server's answers.
struct RS485Mode: Sendable {
    var settings = SerialRS485()
    /// The server has answered such a request at least once.
    var isKnown = false
    /// The server has refused a request on this connection, or left one unanswered.
    var isRefused = false
    /// A request was lost with its connection, or is still to be sent: the server's mode is unknown.
    var isUnsure = false
    /// The settings that the pending requests ask for.
    var requests: [ComPortClient.Ticket: SerialRS485] = [:]

    /// A new connection must send the mode.
    var mustBeSent: Bool { settings.isEnabled || isUnsure }
}
