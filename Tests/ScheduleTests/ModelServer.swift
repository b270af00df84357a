import RFC2217
import SerialLine
import VirtualTTY

/// The machine at the far end: its serial line, which outlives connections, and the server's end of the one connection
/// it serves.
struct ModelServer {
    var profile = ServerProfile()
    /// The line, as the last client left it.
    var line = ComPortServer.PortState()
    /// Bytes sent to the line, in order.
    var heard: [UInt8] = []
    private var server: ComPortServer?

    mutating func accept(now: MonotonicTime) -> [UInt8] {
        var output: [UInt8] = []
        server = ComPortServer(profile, port: line, now: now)
        server?.open(&output)
        return output
    }

    /// The client's end, or this server's own.
    mutating func end() { server = nil }

    /// Bytes of the client's.
    /// - Returns: what the server says to them; `ends` if it closes the connection.
    mutating func receive(_ bytes: [UInt8], now: MonotonicTime) -> (output: [UInt8], ends: Bool) {
        guard var server else { return ([], false) }
        defer { self.server = server }
        var output: [UInt8] = []
        var offset = 0
        let span = bytes.span
        while let event = server.next(span, &offset, now: now, &output) {
            switch event {
            case .data(let range): heard += bytes[range]
            case .bytes(let bytes): heard += bytes
            case .request(let request):
                server.port.apply(request)
                line = server.port
                server.answer(request, &output)
            case .died: return (output, true)
            case .suspended, .lineStateMask, .modemStateMask, .signature, .negotiated: break
            }
        }
        return (output, false)
    }

    /// The line receives data.
    func send(_ data: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        server?.appendData(data.span, &output)
        return output
    }

    /// The far end's modem lines change.
    mutating func setInputs(_ lines: ModemLines, now: MonotonicTime) -> [UInt8] {
        var output: [UInt8] = []
        line.inputs = lines
        server?.setInputs(lines, now: now, &output)
        return output
    }

    func command(_ command: ComPortCommand) -> [UInt8] {
        var output: [UInt8] = []
        if server?.isActive == true { output.appendComPort(command, from: .server) }
        return output
    }
}
