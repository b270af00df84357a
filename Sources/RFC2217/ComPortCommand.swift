import SerialLine

/// The end of a COM-PORT connection that sends a command. A server's codes are the client's plus 100.
package enum ComPortRole: UInt8, Sendable {
    case client = 0
    case server = 100
}

/// The value of SET-CONTROL (RFC 2217).
package struct ControlValue: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let queryFlow = ControlValue(rawValue: 0)
    package static let queryBreak = ControlValue(rawValue: 4)
    package static let breakOn = ControlValue(rawValue: 5)
    package static let breakOff = ControlValue(rawValue: 6)
    package static let queryDTR = ControlValue(rawValue: 7)
    package static let dtrOn = ControlValue(rawValue: 8)
    package static let dtrOff = ControlValue(rawValue: 9)
    package static let queryRTS = ControlValue(rawValue: 10)
    package static let rtsOn = ControlValue(rawValue: 11)
    package static let rtsOff = ControlValue(rawValue: 12)
    package static let queryInboundFlow = ControlValue(rawValue: 13)

    /// 1, 2, 3: outbound (or common) flow control.
    package static func flow(_ flow: FlowControl) -> ControlValue { ControlValue(rawValue: flow.rawValue) }
    /// 14, 15, 16: inbound flow control.
    package static func inboundFlow(_ flow: FlowControl) -> ControlValue { ControlValue(rawValue: flow.inboundValue) }

    /// The subject of a SET-CONTROL value, by which an answer is matched to a request.
    package enum Subject: Sendable, Hashable {
        case flow
        case lineBreak
        case dtr
        case rts
        case inboundFlow
        /// Not in RFC 2217: a vendor's extension.
        case vendor
    }

    package var subject: Subject {
        switch rawValue {
        case 0...3, 17, 19: .flow
        case 4...6: .lineBreak
        case 7...9: .dtr
        case 10...12: .rts
        case 13...16, 18: .inboundFlow
        default: .vendor
        }
    }
}

/// PURGE-DATA's value: which of the server's buffers to empty (RFC 2217).
package enum PurgeBuffers: UInt8, Sendable {
    /// The data that the server has received from the line.
    case receive = 1
    /// The data that the server has not sent to the line yet.
    case transmit
    case both
}

/// One command of COM-PORT-OPTION (RFC 2217), as a request or as its answer.
package enum ComPortCommand: Equatable, Sendable {
    /// Empty: asks for the peer's signature.
    case signature([UInt8])
    /// Bits per second; 0 asks for the current value.
    case setBaudRate(UInt32)
    /// 5…8; 0 asks for the current value.
    case setDataSize(UInt8)
    /// `Parity`'s raw value; 0 asks for the current value.
    case setParity(UInt8)
    /// `StopBits`' raw value; 0 asks for the current value.
    case setStopSize(UInt8)
    case setControl(ControlValue)
    case notifyLineState(LineState)
    case notifyModemState(ModemState)
    case flowControlSuspend
    case flowControlResume
    case setLineStateMask(LineState)
    case setModemStateMask(ModemState)
    case purgeData(UInt8)
    /// A code that RFC 2217 does not define, or a payload of the wrong length.
    case unknown(code: UInt8, payload: [UInt8])

    /// The code of the command as a client sends it; a server's is this plus 100.
    package var code: UInt8 {
        switch self {
        case .signature: 0
        case .setBaudRate: 1
        case .setDataSize: 2
        case .setParity: 3
        case .setStopSize: 4
        case .setControl: 5
        case .notifyLineState: 6
        case .notifyModemState: 7
        case .flowControlSuspend: 8
        case .flowControlResume: 9
        case .setLineStateMask: 10
        case .setModemStateMask: 11
        case .purgeData: 12
        case .unknown(let code, _): code
        }
    }

    /// Decodes a subnegotiation's payload (the bytes behind IAC SB COM-PORT-OPTION, unescaped), sent by `role`. nil
    /// for an empty payload. From a server, 8 and 9 count as 108 and 109, and 0 as 100 (Moxa sends them).
    package init?(payload: [UInt8], from role: ComPortRole) {
        guard let first = payload.first else { return nil }
        let values = Array(payload.dropFirst())
        let code: UInt8
        switch role {
        case .client: code = first
        case .server:
            if first >= 100 && first <= 112 {
                code = first - 100
            } else if first == 0 || first == 8 || first == 9 {
                code = first
            } else {
                self = .unknown(code: first, payload: values)
                return
            }
        }
        self = ComPortCommand(code: code, values: values) ?? .unknown(code: first, payload: values)
    }

    private init?(code: UInt8, values: [UInt8]) {
        switch (code, values.count) {
        case (0, _): self = .signature(values)
        case (1, 4):
            self = .setBaudRate(values.reduce(0) { $0 << 8 | UInt32($1) })
        case (2, 1): self = .setDataSize(values[0])
        case (3, 1): self = .setParity(values[0])
        case (4, 1): self = .setStopSize(values[0])
        case (5, 1): self = .setControl(ControlValue(rawValue: values[0]))
        case (6, 1): self = .notifyLineState(LineState(rawValue: values[0]))
        case (7, 1): self = .notifyModemState(ModemState(rawValue: values[0]))
        case (8, _): self = .flowControlSuspend
        case (9, _): self = .flowControlResume
        case (10, 1): self = .setLineStateMask(LineState(rawValue: values[0]))
        case (11, 1): self = .setModemStateMask(ModemState(rawValue: values[0]))
        case (12, 1): self = .purgeData(values[0])
        default: return nil
        }
    }

    /// The unescaped payload of the subnegotiation for this command, sent by `role`.
    package func payload(from role: ComPortRole) -> [UInt8] {
        let values: [UInt8] =
            switch self {
            case .signature(let text): text
            case .setBaudRate(let baud): [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: baud >> $0) }
            case .setDataSize(let value), .setParity(let value), .setStopSize(let value), .purgeData(let value):
                [value]
            case .setControl(let value): [value.rawValue]
            case .notifyLineState(let state), .setLineStateMask(let state): [state.rawValue]
            case .notifyModemState(let state), .setModemStateMask(let state): [state.rawValue]
            case .flowControlSuspend, .flowControlResume: []
            case .unknown(_, let payload): payload
            }
        if case .unknown(let code, _) = self { return [code] + values }
        return [code + role.rawValue] + values
    }
}

extension [UInt8] {
    /// Appends a COM-PORT command as a complete subnegotiation.
    package mutating func appendComPort(_ command: ComPortCommand, from role: ComPortRole) {
        appendTelnetSubnegotiation(.comPort, command.payload(from: role))
    }
}
