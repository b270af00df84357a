import SerialLine

/// What a client of a COM-PORT server wants done to the serial port.
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
    /// Takes over what the request sets, if it is a setting of the line.
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
    /// Takes over what a request sets.
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

/// What a COM-PORT server finds in the bytes of its client.
package enum ComPortServerEvent: Equatable, Sendable {
    /// For the line: this range of the input.
    case data(Range<Int>)
    /// For the line: Telnet bytes that this server takes for data.
    case bytes([UInt8])
    /// To be done, and then handed to `answer`.
    case request(SerialRequest)
    /// Nothing more is to be sent to the client until it resumes (true), or again (false).
    case suspended(Bool)
    case lineStateMask(LineState)
    case modemStateMask(ModemState)
    /// Who the client says it is.
    case signature([UInt8])
    /// COM-PORT-OPTION is on.
    case negotiated
    /// This server breaks down here: the connection is to be closed.
    case died(String)
}
