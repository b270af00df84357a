/// Data bits of one character frame.
package enum DataBits: UInt8, Sendable, CaseIterable {
    case five = 5
    case six
    case seven
    case eight
}

/// Parity bit of one character frame. Raw values are SET-PARITY's (RFC 2217).
package enum Parity: UInt8, Sendable, CaseIterable {
    case none = 1
    case odd
    case even
    case mark
    case space
}

/// Stop bits of one character frame. Raw values are SET-STOPSIZE's (RFC 2217).
package enum StopBits: UInt8, Sendable, CaseIterable {
    case one = 1
    case two
    case oneAndHalf
}

/// Flow control of the line. Raw values are SET-CONTROL's for the outbound (or common) direction (RFC 2217).
package enum FlowControl: UInt8, Sendable, CaseIterable {
    case none = 1
    case xonXoff
    case hardware

    /// SET-CONTROL's value for the inbound direction: 14, 15 or 16.
    package var inboundValue: UInt8 { rawValue + 13 }

    /// The flow control that an inbound SET-CONTROL value (14, 15, 16) names.
    package init?(inboundValue: UInt8) {
        guard inboundValue > 13 else { return nil }
        self.init(rawValue: inboundValue - 13)
    }
}

/// The settings of a serial line that both ends must share.
package struct LineSettings: Equatable, Sendable {
    /// Bits per second; never 0.
    package var baud: UInt32
    package var dataBits: DataBits
    package var parity: Parity
    package var stopBits: StopBits
    /// Flow control of the output of the serial port; of both directions if the server supports only one setting.
    package var flow: FlowControl
    /// Flow control of the input of the serial port.
    package var inboundFlow: FlowControl

    package init(
        baud: UInt32 = 9600, dataBits: DataBits = .eight, parity: Parity = .none, stopBits: StopBits = .one,
        flow: FlowControl = .none, inboundFlow: FlowControl = .none
    ) {
        self.baud = baud
        self.dataBits = dataBits
        self.parity = parity
        self.stopBits = stopBits
        self.flow = flow
        self.inboundFlow = inboundFlow
    }

    /// Time one character takes on the line, in nanoseconds: start, data, parity and stop bits.
    package var frameNanoseconds: UInt64 {
        let halfBits: UInt64 =
            2 + UInt64(dataBits.rawValue) * 2 + (parity == .none ? 0 : 2)
            + (stopBits == .one ? 2 : stopBits == .two ? 4 : 3)
        return halfBits * 500_000_000 / UInt64(max(baud, 1))
    }
}

extension LineSettings: CustomStringConvertible {
    /// The usual notation: `115200 8N1`.
    package var description: String {
        let parityLetter =
            switch parity {
            case .none: "N"
            case .odd: "O"
            case .even: "E"
            case .mark: "M"
            case .space: "S"
            }
        let stop = stopBits == .one ? "1" : stopBits == .two ? "2" : "1.5"
        return "\(baud) \(dataBits.rawValue)\(parityLetter)\(stop)"
    }
}
