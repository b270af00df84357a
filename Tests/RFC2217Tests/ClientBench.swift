import RFC2217
import SerialLine
import TestSupport

/// A client whose server has agreed to COM-PORT-OPTION: requests in, answers in, and what the client makes of them.
/// Times are in milliseconds since the connection was made.
struct ClientBench {
    var client = ComPortClient()
    /// What the client has sent again.
    private(set) var resent: [ComPortCommand] = []

    init() {
        _ = receive(Telnet.do(44), at: 0)
        client.output.removeAll()
    }

    mutating func ask(
        _ command: ComPortCommand, _ ticket: ComPortClient.Ticket, at milliseconds: UInt64,
        patience: UInt64 = ComPortClient.answerWithin
    ) {
        var wire: [UInt8] = []
        client.encode(command, ticket: ticket, now: Self.time(milliseconds), patience: patience, to: &wire)
    }

    mutating func answer(_ command: ComPortCommand, at milliseconds: UInt64) -> ComPortClient.Event? {
        var bytes: [UInt8] = []
        bytes.appendComPort(command, from: .server)
        return receive(bytes, at: milliseconds)
    }

    private mutating func receive(_ bytes: [UInt8], at milliseconds: UInt64) -> ComPortClient.Event? {
        var offset = 0
        return client.next(bytes.span, &offset, now: { Self.time(milliseconds) })
    }

    /// - Returns: the requests given up.
    mutating func expire(at milliseconds: UInt64) -> [ComPortClient.Ticket] {
        let given = client.expire(Self.time(milliseconds))
        resent += Self.commands(client.output)
        client.output.removeAll()
        return given
    }

    /// Sets rates and data sizes at random times, at a server that answers each copy with the requested value, all after
    /// the same time.
    /// - Returns: answers that settled a request for another value.
    mutating func playSlowServer(latency: UInt64, seed: UInt64) -> [String] {
        var random = SplitMix64(seed: seed)
        var coming: [(at: UInt64, command: ComPortCommand)] = []
        var asked: [ComPortClient.Ticket: ComPortCommand] = [:]
        var mismatches: [String] = []
        var askAt: UInt64 = 0
        for now in 0..<8000 as Range<UInt64> {
            while let first = coming.first, first.at <= now {
                coming.removeFirst()
                guard case .answered(_, let ticket?) = answer(first.command, at: now) else { continue }
                if asked[ticket] != first.command { mismatches.append("\(now) ms: \(first.command) for \(ticket)") }
            }
            if client.nextDeadline.map({ $0 <= Self.time(now) }) ?? false {
                _ = expire(at: now)
                for command in resent { coming.append((now + latency, command)) }
                resent.removeAll()
            }
            guard now == askAt else { continue }
            askAt = now + 1 + UInt64(random.below(random.below(2) == 0 ? 60 : 900))
            let value = random.below(4)
            let command: ComPortCommand =
                random.below(4) == 0 ? .setDataSize(UInt8(5 + value)) : .setBaudRate(UInt32(9600 << value))
            ask(command, now, at: now)
            asked[now] = command
            coming.append((now + latency, command))
        }
        return mismatches
    }

    private static func time(_ milliseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: .seconds(1) + .milliseconds(milliseconds))
    }

    private static func commands(_ bytes: [UInt8]) -> [ComPortCommand] {
        var decoder = TelnetDecoder()
        var offset = 0
        var commands: [ComPortCommand] = []
        while let element = decoder.next(bytes.span, &offset) {
            guard case .subnegotiation(.comPort) = element else { continue }
            if let command = ComPortCommand(payload: decoder.payload, from: .client) { commands.append(command) }
        }
        return commands
    }
}
