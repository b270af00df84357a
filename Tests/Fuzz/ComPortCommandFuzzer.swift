import RFC2217

/// Any payload read as a command by both roles; and the command, written as a subnegotiation, read back through the
/// decoder.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzComPortCommand(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let payload = Array(UnsafeBufferPointer(start: bytes, count: min(count, TelnetDecoder.maximumPayload)))
    if let violation = StreamReader.violation(reading: payload) { fatalError(violation) }
    for role in [ComPortRole.client, .server] {
        guard let command = ComPortCommand(payload: payload, from: role) else { continue }
        var stream: [UInt8] = []
        stream.appendComPort(command, from: role)
        let (elements, violation) = StreamReader.elements(of: [stream])
        if let violation { fatalError(violation) }
        let expected = [StreamElement.subnegotiation(.comPort, payload: command.payload(from: role))]
        if elements != expected { fatalError("\(command) read as \(elements)") }
    }
    return 0
}
