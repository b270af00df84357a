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

    /// Does it make sense (uart_check_rs485_flags)?
    var isValid: Bool {
        if has(~Self.knownFlags) { return false }
        if !has(Self.addressing) && has(Self.addressReceive | Self.addressDestination) { return false }
        return (has(Self.addressReceive) || receiveAddress == 0)
            && (has(Self.addressDestination) || destinationAddress == 0)
    }

    /// What a driver makes of it (uart_sanitize_serial_rs485): nothing stays of a mode that is off, RTS has one level
    /// while sending and the other afterwards, RS422 has none.
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

/// RS485 mode: what holds, and what the server has said to it.
struct RS485Mode: Sendable {
    var settings = SerialRS485()
    /// The server has answered a request for it, once.
    var isKnown = false
    /// On this connection it has refused one, or left it unanswered.
    var isRefused = false
    /// A request was lost with its connection, or is yet to be made: which mode the server is in is not known.
    var isUnsure = false
    /// What the requests that are under way ask for.
    var requests: [ComPortClient.Ticket: SerialRS485] = [:]

    /// A new connection has to be told of it.
    var isToBeTold: Bool { settings.isEnabled || isUnsure }
}

// RS485: the vendor's SET-CONTROL, of which the server knows on and off; all else of it is kept here.
extension VirtualTTY {
    /// TIOCSRS485: in force once the server has answered with the same value.
    mutating func setRS485(_ id: RequestID, _ file: FileID, _ argument: SerialRS485) {
        guard argument.isValid else { return fail(id, .invalidArgument) }
        let wanted = argument.sanitized
        let isSame = wanted.isEnabled == rs485.settings.isEnabled && !rs485.isUnsure && rs485.requests.isEmpty
        if !isSame && isLinkUp { return requestRS485(id, file, wanted) }
        if !isSame {
            // A server that has the mode is told once it is back; of another nobody can say.
            guard rs485.isKnown else { return fail(id, .ioError) }
            rs485.isUnsure = true
        }
        rs485.settings = wanted
        answerIoctl(id, wanted.bytes)
    }

    private mutating func requestRS485(_ id: RequestID, _ file: FileID, _ wanted: SerialRS485) {
        let ticket = send(.setControl(rs485Command(wanted.isEnabled)))
        rs485.requests[ticket] = wanted
        settings.append(
            ParkedSetting(
                id: id, file: file, kind: .rs485, tickets: [ticket], deadline: now + ComPortClient.answerWithin))
    }

    func rs485Command(_ on: Bool) -> ControlValue {
        ControlValue(rawValue: on ? configuration.rs485On : configuration.rs485Off)
    }

    /// The server has answered a request for RS485 mode, or not (nil). It holds even if nobody waits for it any more.
    mutating func settleRS485(_ wanted: SerialRS485, _ ticket: ComPortClient.Ticket, _ command: ComPortCommand?) {
        let waiting = takeRS485Setting { $0.tickets.contains(ticket) }
        if command == .setControl(rs485Command(wanted.isEnabled)) {
            rs485.settings = wanted
            rs485.isKnown = true
            rs485.isUnsure = false
            if let waiting { answerIoctl(waiting.id, wanted.bytes) }
            return
        }
        refuseRS485(wanted, isAnswered: command != nil)
        if let waiting { fail(waiting.id, .notTTY) }
    }

    private mutating func refuseRS485(_ wanted: SerialRS485, isAnswered: Bool) {
        rs485.isRefused = true
        rs485.isUnsure = false
        // A mode that was told anew and not taken holds no longer.
        if wanted == rs485.settings { rs485.settings = SerialRS485() }
        log(
            .notice,
            "the server \(isAnswered ? "refuses" : "does not answer") RS485 mode "
                + "(SET-CONTROL \(rs485Command(wanted.isEnabled).rawValue); see --rs485-codes)")
    }

    /// Time is over for a request. One that has not even been sent says nothing of the server.
    mutating func rs485TimedOut(_ setting: ParkedSetting) {
        guard let ticket = setting.tickets.first, let wanted = rs485.requests[ticket], !queue.holds(.vendor) else {
            return fail(setting.id, .ioError)
        }
        rs485.requests[ticket] = nil
        refuseRS485(wanted, isAnswered: false)
        fail(setting.id, .notTTY)
    }

    /// The connection is gone, and with it what it would have answered.
    mutating func loseRS485Requests() {
        if !rs485.requests.isEmpty { rs485.isUnsure = true }
        rs485.requests.removeAll()
        while let waiting = takeRS485Setting({ _ in true }) { fail(waiting.id, .ioError) }
    }

    private mutating func takeRS485Setting(_ isWanted: (ParkedSetting) -> Bool) -> ParkedSetting? {
        let index = settings.firstIndex { setting in
            if case .rs485 = setting.kind { isWanted(setting) } else { false }
        }
        return index.map { settings.remove(at: $0) }
    }
}
