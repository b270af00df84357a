import RFC2217
import SerialLine

/// The server of a remote port, played by a test without any I/O: `ComPortServer` answers, and everything the client
/// said is kept in its order.
package struct ServerPlayer {
    /// What the client said.
    package enum Heard: Equatable, Sendable {
        case data([UInt8])
        case command(ComPortCommand)
    }

    private var server: ComPortServer
    private var decoder = TelnetDecoder()
    /// All that was heard; data without a command in between is one piece.
    package private(set) var heard: [Heard] = []
    /// To be sent to the client; the test takes it.
    package var output: [UInt8] = []
    /// The client's requests that this server takes but does not answer.
    package var leavesUnanswered: (SerialRequest) -> Bool = { _ in false }

    /// A connection just accepted.
    package init(_ profile: ServerProfile = ServerProfile(), inputs: ModemLines = [], now: MonotonicTime) {
        server = ComPortServer(profile, port: ComPortServer.PortState(inputs: inputs), now: now)
        server.open(&output)
    }

    /// The serial port as the client has set it.
    package var port: ComPortServer.PortState { server.port }
    /// What the client wants to hear of errors.
    package var lineStateMask: LineState { server.lineStateMask }
    /// The client's data, and its commands.
    package var data: [UInt8] { heard.flatMap { if case .data(let bytes) = $0 { bytes } else { [UInt8]() } } }
    package var commands: [ComPortCommand] {
        heard.compactMap { if case .command(let command) = $0 { command } else { nil } }
    }

    package mutating func forget() { heard.removeAll() }

    /// Bytes from the client.
    package mutating func receive(_ bytes: [UInt8], now: MonotonicTime) {
        keep(bytes)
        var offset = 0
        while let event = server.next(bytes.span, &offset, now: now, &output) {
            guard case .request(let request) = event else { continue }
            server.port.apply(request)
            if !leavesUnanswered(request) { server.answer(request, &output) }
        }
    }

    private mutating func keep(_ bytes: [UInt8]) {
        let span = bytes.span
        var offset = 0
        while let element = decoder.next(span, &offset) {
            switch element {
            case .data(let range):
                if case .data(let before) = heard.last {
                    heard[heard.count - 1] = .data(before + bytes[range])
                } else {
                    heard.append(.data(Array(bytes[range])))
                }
            case .subnegotiation(.comPort):
                if let command = ComPortCommand(payload: decoder.payload, from: .client) {
                    heard.append(.command(command))
                }
            default: break
            }
        }
    }

    /// Data comes from the line.
    package mutating func send(_ data: [UInt8]) { server.appendData(data.span, &output) }

    /// A command of this server's own making.
    package mutating func send(_ command: ComPortCommand) { output.appendComPort(command, from: .server) }

    /// The far end drives its lines.
    package mutating func setLines(_ lines: ModemLines, now: MonotonicTime) {
        server.setInputs(lines, now: now, &output)
    }
}
