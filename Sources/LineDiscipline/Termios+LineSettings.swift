import SerialLine

extension Termios {
    /// Whether the rate is B0, which means hang up.
    package var isB0: Bool { ospeed == 0 }

    /// The line settings that these flags ask for. At B0 the rate remains `baudAtB0`. CSTOPB with five data bits
    /// means one and a half (uart_set_termios).
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

    /// Whether the far end stops and starts its output by XOFF and XON. The far end knows neither other characters
    /// nor IXANY: with those, the line discipline acts on the received bytes.
    private var stopsAtFarEnd: Bool { iflag.contains(.IXON) && !iflag.contains(.IXANY) && hasUsualFlowCharacters }

    /// Whether the far end stops its peer when its buffers are full (IXOFF).
    private var throttlesAtFarEnd: Bool { iflag.contains(.IXOFF) && hasUsualFlowCharacters }

    /// Whether this end sends VSTOP and VSTART when too much is received (IXOFF).
    package var throttlesHere: Bool { iflag.contains(.IXOFF) && !hasUsualFlowCharacters }

    private var hasUsualFlowCharacters: Bool { self[.VSTART] == 0x11 && self[.VSTOP] == 0x13 }

    private var parity: Parity {
        guard cflag.contains(.PARENB) else { return .none }
        let odd = cflag.contains(.PARODD)
        return cflag.contains(.CMSPAR) ? (odd ? .mark : .space) : odd ? .odd : .even
    }

    /// Replaces the requested data bits with those that the far end reports.
    package mutating func adopt(dataBits: DataBits) {
        cflag.remove(.CSIZE)
        cflag.insert(ControlFlags(rawValue: UInt32(dataBits.rawValue - 5) << 4))
    }

    /// Replaces the parity with the one that the far end reports.
    package mutating func adopt(parity: Parity) {
        cflag.remove([.PARENB, .PARODD, .CMSPAR])
        if parity != .none { cflag.insert(.PARENB) }
        if parity == .odd || parity == .mark { cflag.insert(.PARODD) }
        if parity == .mark || parity == .space { cflag.insert(.CMSPAR) }
    }

    /// Replaces the stop bits with those that the far end reports.
    package mutating func adopt(stopBits: StopBits) {
        if stopBits == .one { cflag.remove(.CSTOPB) } else { cflag.insert(.CSTOPB) }
    }

    /// Replaces the flow control if the far end reports another one than the hardware kind.
    package mutating func adopt(flow: FlowControl) {
        if flow != .hardware { cflag.remove(.CRTSCTS) }
    }
}
