import RFC2217
import SerialLine

/// Reads along what goes over a connection, and tells it in words.
final class Tracer {
    private let tell: (SimulatorTrace) -> Void
    private var client = TelnetDecoder()
    private var server = TelnetDecoder()

    init(_ tell: @escaping (SimulatorTrace) -> Void) { self.tell = tell }

    func trace(_ bytes: borrowing Span<UInt8>, isFromClient: Bool) {
        var offset = 0
        while true {
            let element = isFromClient ? client.next(bytes, &offset) : server.next(bytes, &offset)
            guard let element else { return }
            tell(SimulatorTrace(isFromClient: isFromClient, words: words(element, bytes, isFromClient)))
        }
    }

    private func words(_ element: TelnetElement, _ bytes: borrowing Span<UInt8>, _ isFromClient: Bool) -> String {
        switch element {
        case .data(let range):
            var start: [UInt8] = []
            start.append(contentsOf: bytes, range.prefix(40))
            return "\(range.count) bytes: \(start.printable(limit: 60))"
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
