/// A set of kinds of COM-PORT requests, such as those that one server is known to answer, or not to answer.
package struct AnswerKinds: OptionSet, Sendable, Hashable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let signature = AnswerKinds(rawValue: 1 << 0)
    package static let baudRate = AnswerKinds(rawValue: 1 << 1)
    package static let dataSize = AnswerKinds(rawValue: 1 << 2)
    package static let parity = AnswerKinds(rawValue: 1 << 3)
    package static let stopSize = AnswerKinds(rawValue: 1 << 4)
    package static let flow = AnswerKinds(rawValue: 1 << 5)
    package static let lineBreak = AnswerKinds(rawValue: 1 << 6)
    package static let dtr = AnswerKinds(rawValue: 1 << 7)
    package static let rts = AnswerKinds(rawValue: 1 << 8)
    package static let inboundFlow = AnswerKinds(rawValue: 1 << 9)
    /// Vendor SET-CONTROL values: RS485 mode.
    package static let vendor = AnswerKinds(rawValue: 1 << 10)
    package static let lineStateMask = AnswerKinds(rawValue: 1 << 11)
    package static let modemStateMask = AnswerKinds(rawValue: 1 << 12)
    package static let purge = AnswerKinds(rawValue: 1 << 13)

    /// Settings of the line. A setting may be repeated until another one of its kind is sent, and it is worth it:
    /// settings can be lost while a server opens its own port.
    package static let settings: AnswerKinds = [.baudRate, .dataSize, .parity, .stopSize, .flow]

    private static let names: [(AnswerKinds, String)] = [
        (.signature, "SIGNATURE"), (.baudRate, "SET-BAUDRATE"), (.dataSize, "SET-DATASIZE"), (.parity, "SET-PARITY"),
        (.stopSize, "SET-STOPSIZE"), (.flow, "flow control"), (.lineBreak, "break"), (.dtr, "DTR"), (.rts, "RTS"),
        (.inboundFlow, "inbound flow control"), (.vendor, "RS485"), (.lineStateMask, "SET-LINESTATE-MASK"),
        (.modemStateMask, "SET-MODEMSTATE-MASK"), (.purge, "PURGE-DATA"),
    ]
}

extension AnswerKinds: CustomStringConvertible {
    package var description: String {
        let there = Self.names.filter { contains($0.0) }.map(\.1)
        return there.isEmpty ? "nothing" : there.joined(separator: ", ")
    }
}

extension ComPortCommand {
    /// The kind of answer to this request, or of this answer; nil if the command has no answer.
    package var answerKind: AnswerKinds? {
        switch self {
        case .signature: .signature
        case .setBaudRate: .baudRate
        case .setDataSize: .dataSize
        case .setParity: .parity
        case .setStopSize: .stopSize
        case .setControl(let value):
            switch value.subject {
            case .flow: .flow
            case .lineBreak: .lineBreak
            case .dtr: .dtr
            case .rts: .rts
            case .inboundFlow: .inboundFlow
            case .vendor: .vendor
            }
        case .setLineStateMask: .lineStateMask
        case .setModemStateMask: .modemStateMask
        case .purgeData: .purge
        case .notifyLineState, .notifyModemState, .flowControlSuspend, .flowControlResume, .unknown: nil
        }
    }

    /// Whether the request only asks for the current value, so that any value can be its answer.
    var isQuery: Bool {
        switch self {
        case .signature(let text): text.isEmpty
        case .setBaudRate(0), .setDataSize(0), .setParity(0), .setStopSize(0): true
        case .setControl(let value):
            [.queryFlow, .queryBreak, .queryDTR, .queryRTS, .queryInboundFlow].contains(value)
        default: false
        }
    }
}
