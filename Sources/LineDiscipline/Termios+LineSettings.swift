import SerialLine

extension Termios {
    /// Is the rate B0: hang up?
    package var isB0: Bool { ospeed == 0 }

    /// The settings of the line these flags ask for. At B0 the rate stays `baudAtB0`.
    /// CSTOPB with five data bits means one and a half (uart_set_termios).
    package func lineSettings(baudAtB0: UInt32) -> LineSettings {
        let dataBits = DataBits(rawValue: 5 + UInt8(truncatingIfNeeded: cflag.intersection(.CSIZE).rawValue >> 4))
        return LineSettings(
            baud: isB0 ? baudAtB0 : ospeed,
            dataBits: dataBits ?? .eight,
            parity: parity,
            stopBits: !cflag.contains(.CSTOPB) ? .one : dataBits == .five ? .oneAndHalf : .two,
            flow: cflag.contains(.CRTSCTS) ? .hardware : stopsAtFarEnd ? .xonXoff : .none,
            inboundFlow: cflag.contains(.CRTSCTS) ? .hardware : throttlesAtFarEnd ? .xonXoff : .none)
    }

    /// Is output stopped and started by XOFF and XON where the line is? Other characters, and IXANY, the far end does
    /// not know: then the line discipline does it with what is received.
    private var stopsAtFarEnd: Bool { iflag.contains(.IXON) && !iflag.contains(.IXANY) && hasUsualFlowCharacters }

    /// Does the far end stop its peer by itself when its buffers are full (IXOFF)?
    private var throttlesAtFarEnd: Bool { iflag.contains(.IXOFF) && hasUsualFlowCharacters }

    /// Is it for this end to send VSTOP and VSTART when too much is received (IXOFF)?
    package var throttlesHere: Bool { iflag.contains(.IXOFF) && !hasUsualFlowCharacters }

    private var hasUsualFlowCharacters: Bool { self[.VSTART] == 0x11 && self[.VSTOP] == 0x13 }

    private var parity: Parity {
        guard cflag.contains(.PARENB) else { return .none }
        let odd = cflag.contains(.PARODD)
        return cflag.contains(.CMSPAR) ? (odd ? .mark : .space) : odd ? .odd : .even
    }

    /// Takes over what the far end says it uses instead of what was asked for.
    package mutating func adopt(dataBits: DataBits) {
        cflag.remove(.CSIZE)
        cflag.insert(ControlFlags(rawValue: UInt32(dataBits.rawValue - 5) << 4))
    }

    /// Takes over the far end's parity.
    package mutating func adopt(parity: Parity) {
        cflag.remove([.PARENB, .PARODD, .CMSPAR])
        if parity != .none { cflag.insert(.PARENB) }
        if parity == .odd || parity == .mark { cflag.insert(.PARODD) }
        if parity == .mark || parity == .space { cflag.insert(.CMSPAR) }
    }

    /// Takes over the far end's stop bits.
    package mutating func adopt(stopBits: StopBits) {
        if stopBits == .one { cflag.remove(.CSTOPB) } else { cflag.insert(.CSTOPB) }
    }

    /// Takes over the far end's flow control where it has none of the hardware kind.
    package mutating func adopt(flow: FlowControl) {
        if flow != .hardware { cflag.remove(.CRTSCTS) }
    }
}
