import SerialLine

/// A request of a COM-PORT client to the serial port.
package enum SerialRequest: Equatable, Sendable {
    case setBaud(UInt32)
    case setDataBits(DataBits)
    case setParity(Parity)
    case setStopBits(StopBits)
    case setFlow(FlowControl)
    case setInboundFlow(FlowControl)
    case setBreak(Bool)
    /// IAC BRK: a break of the server's own length. Not answered.
    case sendBreak
    case setDTR(Bool)
    case setRTS(Bool)
    case setRS485(Bool)
    case purge(PurgeBuffers)
}

extension LineSettings {
    /// Applies a request, if it is a setting of the line.
    /// - Returns: whether it is one.
    package mutating func apply(_ request: SerialRequest) -> Bool {
        switch request {
        case .setBaud(let baud): self.baud = baud
        case .setDataBits(let bits): dataBits = bits
        case .setParity(let parity): self.parity = parity
        case .setStopBits(let bits): stopBits = bits
        case .setFlow(let flow):
            // "Outbound or common": it sets both directions (RFC 2217, SET-CONTROL 0…3).
            self.flow = flow
            inboundFlow = flow
        case .setInboundFlow(let flow): inboundFlow = flow
        case .setBreak, .sendBreak, .setDTR, .setRTS, .setRS485, .purge: return false
        }
        return true
    }
}

extension ComPortServer.PortState {
    /// Applies a request.
    package mutating func apply(_ request: SerialRequest) {
        switch request {
        case .setDTR(let on): outputs.set(.dtr, on)
        case .setRTS(let on): outputs.set(.rts, on)
        case .setRS485(let on): isRS485 = on
        case .setBreak(let on): isBreaking = on
        case .sendBreak, .purge: break
        default: _ = settings.apply(request)
        }
    }
}

extension ModemLines {
    fileprivate mutating func set(_ line: ModemLines, _ on: Bool) {
        if on { formUnion(line) } else { subtract(line) }
    }
}

/// An event in the bytes of a COM-PORT client.
package enum ComPortServerEvent: Equatable, Sendable {
    /// Data for the line: this range of the input.
    case data(Range<Int>)
    /// Data for the line: Telnet bytes that this server treats as data.
    case bytes([UInt8])
    /// A request to carry out, and then to pass to `answer`.
    case request(SerialRequest)
    /// Nothing may be sent to the client until it resumes (true), or sending may continue (false).
    case suspended(Bool)
    case lineStateMask(LineState)
    case modemStateMask(ModemState)
    /// The client's signature.
    case signature([UInt8])
    /// COM-PORT-OPTION is on.
    case negotiated
    /// This server imitates a crash: the connection must be closed.
    case died(String)
}
