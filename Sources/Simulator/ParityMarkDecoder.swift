import SerialLine

/// Decodes PARMRK's marks in received bytes (termios(3)): 0xFF 0x00 X is X with an error, or a break if X is 0; 0xFF
/// 0xFF is 0xFF. Input may be split anywhere.
struct ParityMarkDecoder {
    enum Element: Equatable {
        /// This range of the input is good.
        case good(Range<Int>)
        /// A byte with an error; 0 may be a break.
        case bad(UInt8)
    }

    private enum State {
        case data
        case mark
        case markNUL
    }

    private var state = State.data

    mutating func next(_ input: borrowing Span<UInt8>, _ offset: inout Int) -> Element? {
        while offset < input.count {
            let start = offset
            switch state {
            case .data:
                offset = input.firstIndex(of: 0xFF, from: start) ?? input.count
                if offset > start { return .good(start..<offset) }
                offset += 1
                state = .mark
            case .mark:
                offset += 1
                state = input[start] == 0 ? .markNUL : .data
                if state == .data { return .good(start..<offset) }
            case .markNUL:
                offset += 1
                state = .data
                return .bad(input[start])
            }
        }
        return nil
    }
}
