import RFC2217

/// Any bytes, cut into pieces as they themselves say, through the decoder and the command reader: nothing traps,
/// nothing that must hold is broken, and the pieces read as the whole does.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzDecoder(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    // The first byte says how long the pieces are; 0 is byte by byte.
    guard let first = input.first else { return 0 }
    let stream = Array(input.dropFirst())
    let length = Int(first & 0x3F) + 1
    let pieces = stride(from: 0, to: stream.count, by: length).map {
        Array(stream[$0..<min($0 + length, stream.count)])
    }
    let whole = StreamReader.elements(of: [stream])
    let cut = StreamReader.elements(of: pieces)
    if let violation = whole.violation ?? cut.violation { fatalError(violation) }
    if whole.elements != cut.elements { fatalError("pieces of \(length) read differently") }
    return 0
}
