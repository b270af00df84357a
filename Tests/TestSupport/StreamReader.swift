import RFC2217
import SerialLine

/// An element of a Telnet stream, independent of how the stream was split: adjacent data is one element.
package enum StreamElement: Equatable, Sendable {
    case data([UInt8])
    case command(UInt8)
    case negotiation(TelnetVerb, TelnetOption)
    case subnegotiation(TelnetOption, payload: [UInt8])
    case malformed
}

/// Takes chunks through the decoder and the command reader, holding them to what must be true of any input whatever.
package struct StreamReader {
    private var decoder = TelnetDecoder()
    package private(set) var elements: [StreamElement] = []
    /// The first thing that must never be; nil while all is well.
    package private(set) var violation: String?

    package init() {}

    package mutating func read(_ chunk: [UInt8]) {
        let input = chunk.span
        var offset = 0
        var count = 0
        while true {
            let start = offset
            guard let element = decoder.next(input, &offset) else { break }
            count += 1
            // A broken-off subnegotiation takes no byte of its own where its IAC was the last of the chunk before.
            guard offset > start || element == .malformed, offset <= chunk.count, count <= chunk.count + 1 else {
                violation = violation ?? "\(element) at \(start) left the offset at \(offset) of \(chunk.count)"
                return
            }
            take(element, chunk, from: start, to: offset)
        }
        if offset != chunk.count { violation = violation ?? "stopped at \(offset) of \(chunk.count)" }
        if decoder.payload.count > TelnetDecoder.maximumPayload {
            violation = violation ?? "holds \(decoder.payload.count) bytes"
        }
    }

    private mutating func take(_ element: TelnetElement, _ chunk: [UInt8], from start: Int, to end: Int) {
        switch element {
        case .data(let range):
            guard !range.isEmpty, range.lowerBound >= start, range.upperBound == end else {
                violation = violation ?? "data \(range) between \(start) and \(end)"
                return
            }
            if case .data(let before)? = elements.last {
                elements[elements.count - 1] = .data(before + chunk[range])
            } else {
                elements.append(.data(Array(chunk[range])))
            }
        case .command(let byte): elements.append(.command(byte))
        case .negotiation(let verb, let option): elements.append(.negotiation(verb, option))
        case .subnegotiation(let option):
            elements.append(.subnegotiation(option, payload: decoder.payload))
            violation = violation ?? Self.violation(reading: decoder.payload)
        case .malformed: elements.append(.malformed)
        }
    }

    /// Parses a payload as a command of both roles: parsing the written form again gives the same command.
    package static func violation(reading payload: [UInt8]) -> String? {
        for role in [ComPortRole.client, .server] {
            guard let command = ComPortCommand(payload: payload, from: role) else {
                if payload.isEmpty { continue }
                return "\(role) \(payload) is no command"
            }
            if payload.isEmpty { return "a command out of nothing" }
            if command.description.isEmpty { return "\(role) \(payload) has no description" }
            guard ComPortCommand(payload: command.payload(from: role), from: role) == command else {
                return "\(role) \(payload) read as \(command), which writes \(command.payload(from: role))"
            }
        }
        return nil
    }

    /// Reads a stream given in pieces.
    package static func elements(of chunks: [[UInt8]]) -> (elements: [StreamElement], violation: String?) {
        var reader = StreamReader()
        for chunk in chunks { reader.read(chunk) }
        return (reader.elements, reader.violation)
    }
}
