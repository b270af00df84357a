import RFC2217
import SerialLine
import TestSupport

extension SplitMix64 {
    /// Any command that survives being written and read by `role`.
    mutating func command(from role: ComPortRole) -> ComPortCommand {
        let value = escapeHeavyByte()
        switch below(15) {
        case 0: return .signature(escapeHeavyBytes(below(40)))
        case 1, 2: return .setBaudRate(escapeHeavyBytes(4).reduce(0) { $0 << 8 | UInt32($1) })
        case 3: return .setDataSize(value)
        case 4: return .setParity(value)
        case 5: return .setStopSize(value)
        case 6: return .setControl(ControlValue(rawValue: value))
        case 7: return .notifyLineState(LineState(rawValue: value))
        case 8: return .notifyModemState(ModemState(rawValue: value))
        case 9: return .flowControlSuspend
        case 10: return .flowControlResume
        case 11: return .setLineStateMask(LineState(rawValue: value))
        case 12: return .setModemStateMask(ModemState(rawValue: value))
        case 13: return .purgeData(value)
        default: return unknownCommand(from: role)
        }
    }

    /// A code that neither role has, or a known one with too long a value.
    private mutating func unknownCommand(from role: ComPortRole) -> ComPortCommand {
        if below(2) == 0 { return .unknown(code: UInt8(113 + below(143)), payload: escapeHeavyBytes(below(20))) }
        return .unknown(code: role.rawValue + UInt8(1 + below(7)), payload: escapeHeavyBytes(5 + below(10)))
    }

    /// One element, appended as it stands on the wire; returns what it reads as.
    mutating func appendElement(_ stream: inout [UInt8]) -> StreamElement {
        switch below(8) {
        case 0, 1:
            let data = escapeHeavyBytes(1 + below(12))
            stream.appendTelnetData(data.span)
            return .data(data)
        case 2, 3:
            let verb = TelnetVerb(rawValue: UInt8(251 + below(4))) ?? .will
            let option = below(3) == 0 ? TelnetOption(rawValue: escapeHeavyByte()) : .comPort
            stream.appendTelnet(verb, option)
            return .negotiation(verb, option)
        case 4:
            // From SE, which closes nothing here, to GA.
            let byte = UInt8(240 + below(10))
            stream += [TelnetCommand.iac, byte]
            return .command(byte)
        case 5:
            let option = TelnetOption(rawValue: UInt8(below(255)))
            let payload = escapeHeavyBytes(below(30))
            stream.appendTelnetSubnegotiation(option, payload)
            return .subnegotiation(option, payload: payload)
        default:
            let role = below(2) == 0 ? ComPortRole.client : .server
            let command = command(from: role)
            stream.appendComPort(command, from: role)
            return .subnegotiation(.comPort, payload: command.payload(from: role))
        }
    }

    /// A well-formed stream and its elements.
    mutating func stream(elements count: Int) -> (bytes: [UInt8], elements: [StreamElement]) {
        var bytes: [UInt8] = []
        var elements: [StreamElement] = []
        for _ in 0..<count {
            let element = appendElement(&bytes)
            if case .data(let more) = element, case .data(let before)? = elements.last {
                elements[elements.count - 1] = .data(before + more)
            } else {
                elements.append(element)
            }
        }
        return (bytes, elements)
    }

    /// Does to a stream what networks and bad programs do: bytes changed, lost, doubled, cut off.
    mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0...below(3) {
            guard !bytes.isEmpty else { return }
            let place = below(bytes.count)
            switch below(5) {
            case 0: bytes[place] = 0xFF
            case 1: bytes[place] = byte()
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(bytes[place], at: place)
            default: bytes.removeLast(bytes.count - place)
            }
        }
    }
}

extension [UInt8] {
    /// The pieces between the given places.
    func split(at places: [Int]) -> [[UInt8]] {
        let ends = places.sorted() + [count]
        return zip([0] + ends, ends).map { Array(self[$0..<$1]) }
    }
}
