import SerialLine

/// One element of a Telnet stream.
package enum TelnetElement: Equatable, Sendable {
    /// Data: this range of the input, unescaped (an escaped 0xFF begins a range of its own).
    case data(Range<Int>)
    /// IAC and a command without argument: BRK, NOP, …
    case command(UInt8)
    /// WILL, WONT, DO or DONT.
    case negotiation(TelnetVerb, TelnetOption)
    /// A complete subnegotiation; its unescaped payload is in `TelnetDecoder.payload`.
    case subnegotiation(TelnetOption)
    /// A dropped subnegotiation: too long, without an option, or interrupted by another command.
    case malformed
}

/// Decodes a Telnet byte stream (RFC 854, RFC 855). Input may be split at any byte; the decoder keeps at most one
/// subnegotiation's payload, of limited length, between calls. A single 0xFF in a payload, which a careless peer did
/// not double, is accepted if it can mean nothing else.
package struct TelnetDecoder: Sendable {
    /// The longest payload kept; a longer subnegotiation is skipped and reported as malformed.
    package static let maximumPayload = 512

    private enum State: Sendable {
        case data
        /// After IAC.
        case iac
        case verb(TelnetVerb)
        /// After IAC SB: the option comes next.
        case subnegotiationOption
        case subnegotiation
        /// After IAC inside a subnegotiation.
        case subnegotiationIAC
    }

    private var state = State.data
    private var option = TelnetOption.binary
    private var overlong = false
    /// The payload of the subnegotiation last reported, unescaped.
    package private(set) var payload: [UInt8] = []

    package init() { payload.reserveCapacity(64) }

    /// Whether a subnegotiation has begun and not ended.
    package var isInsideSubnegotiation: Bool {
        switch state {
        case .subnegotiationOption, .subnegotiation, .subnegotiationIAC: true
        case .data, .iac, .verb: false
        }
    }

    /// The next element of `input` at or after `offset`, which moves behind it; nil after the last one.
    package mutating func next(_ input: borrowing Span<UInt8>, _ offset: inout Int) -> TelnetElement? {
        while offset < input.count {
            let byte = input[offset]
            switch state {
            case .data:
                if byte != TelnetCommand.iac { return .data(run(input, from: &offset, searching: offset)) }
                state = .iac
                offset += 1
            case .iac:
                if byte == TelnetCommand.iac {
                    state = .data
                    return .data(run(input, from: &offset, searching: offset + 1))
                }
                offset += 1
                if let element = command(byte) { return element }
            case .verb(let verb):
                offset += 1
                state = .data
                return .negotiation(verb, TelnetOption(rawValue: byte))
            case .subnegotiationOption:
                // An IAC here means that the option is missing: treat the IAC as one.
                if byte == TelnetCommand.iac {
                    overlong = true
                    state = .subnegotiation
                } else {
                    offset += 1
                    option = TelnetOption(rawValue: byte)
                    state = .subnegotiation
                }
            case .subnegotiation:
                offset += 1
                if byte == TelnetCommand.iac { state = .subnegotiationIAC } else { keep(byte) }
            case .subnegotiationIAC:
                if let element = afterSubnegotiationIAC(byte, &offset) { return element }
            }
        }
        return nil
    }

    /// A run of data up to the next IAC.
    private func run(_ input: borrowing Span<UInt8>, from offset: inout Int, searching: Int) -> Range<Int> {
        let start = offset
        offset = input.firstIndex(of: TelnetCommand.iac, from: searching) ?? input.count
        return start..<offset
    }

    private mutating func command(_ byte: UInt8) -> TelnetElement? {
        if let verb = TelnetVerb(rawValue: byte) {
            state = .verb(verb)
            return nil
        }
        if byte == TelnetCommand.sb {
            payload.removeAll(keepingCapacity: true)
            overlong = false
            state = .subnegotiationOption
            return nil
        }
        state = .data
        return .command(byte)
    }

    private mutating func keep(_ byte: UInt8) {
        guard !overlong else { return }
        if payload.count < Self.maximumPayload { payload.append(byte) } else { overlong = true }
    }

    private mutating func afterSubnegotiationIAC(_ byte: UInt8, _ offset: inout Int) -> TelnetElement? {
        switch byte {
        case TelnetCommand.iac:
            offset += 1
            keep(byte)
            state = .subnegotiation
            return nil
        case ..<TelnetCommand.firstCommand:
            // Not a command: a 0xFF of the payload that the peer did not double.
            offset += 1
            keep(TelnetCommand.iac)
            keep(byte)
            state = .subnegotiation
            return nil
        case TelnetCommand.se:
            offset += 1
            state = .data
            return overlong ? .malformed : .subnegotiation(option)
        default:
            // Another command interrupts the subnegotiation: drop the subnegotiation, and decode the command.
            state = .iac
            return .malformed
        }
    }
}
