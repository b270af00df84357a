import RFC2217
import SerialLine
import TestSupport

/// The Telnet decoder and the command reader. The first byte says how long the pieces are that the rest is cut into:
/// pieces read as the whole does. The rest, taken as a payload, is a command that reads as it was written.
enum TelnetFuzz {
    static func violation(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let stream = Array(bytes.dropFirst())
        let length = Int(first & 0x3F) + 1
        let whole = StreamReader.elements(of: [stream])
        let cut = StreamReader.elements(of: stream.pieces(of: length))
        if let violation = whole.violation ?? cut.violation { return violation }
        if whole.elements != cut.elements { return "pieces of \(length) read differently" }
        return violation(payload: Array(stream.prefix(TelnetDecoder.maximumPayload)))
    }

    private static func violation(payload: [UInt8]) -> String? {
        if let violation = StreamReader.violation(reading: payload) { return violation }
        for role in [ComPortRole.client, .server] {
            guard let command = ComPortCommand(payload: payload, from: role) else { continue }
            var stream: [UInt8] = []
            stream.appendComPort(command, from: role)
            let (elements, violation) = StreamReader.elements(of: [stream])
            if let violation { return violation }
            let expected = [StreamElement.subnegotiation(.comPort, payload: command.payload(from: role))]
            if elements != expected { return "\(command) read as \(elements)" }
        }
        return nil
    }
}
