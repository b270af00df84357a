import RFC2217
import SerialLine

/// Decodes the bytes of a connection, and describes them in words.
final class Tracer {
    private let tell: (SimulatorTrace) -> Void
    private var client = TelnetDecoder()
    private var server = TelnetDecoder()

    init(_ tell: @escaping (SimulatorTrace) -> Void) { self.tell = tell }

    func trace(_ bytes: borrowing Span<UInt8>, isFromClient: Bool) {
        var offset = 0
        var dataCount = 0
        var dataStart: [UInt8] = []
        func tellData() {
            guard dataCount > 0 else { return }
            let words = "\(dataCount) bytes: \(dataStart.printable(limit: 60))"
            tell(SimulatorTrace(isFromClient: isFromClient, words: words))
            dataCount = 0
            dataStart.removeAll()
        }
        while let element = isFromClient ? client.next(bytes, &offset) : server.next(bytes, &offset) {
            // Every escaped 0xFF begins an element of its own: these are described together.
            if case .data(let range) = element {
                dataStart.append(contentsOf: bytes, range.prefix(max(0, 40 - dataCount)))
                dataCount += range.count
                continue
            }
            tellData()
            tell(SimulatorTrace(isFromClient: isFromClient, words: words(element, isFromClient)))
        }
        tellData()
    }

    private func words(_ element: TelnetElement, _ isFromClient: Bool) -> String {
        switch element {
        case .data(let range): return "\(range.count) bytes"
        case .command(let command): return command == TelnetCommand.brk ? "BRK" : "command \(command)"
        case .negotiation(let verb, let option): return "\(verb) \(option)"
        case .subnegotiation(.comPort):
            let payload = isFromClient ? client.payload : server.payload
            let command = ComPortCommand(payload: payload, from: isFromClient ? .client : .server)
            return command?.description ?? "empty COM-PORT-OPTION"
        case .subnegotiation(let option): return "subnegotiation of \(option)"
        case .malformed: return "malformed subnegotiation"
        }
    }
}
