import LineDiscipline

extension Termios {
    /// These settings with a structure set on top. (The testing macros take no spans.)
    func overlaid(_ bytes: [UInt8]) -> Termios? { overlaid(with: bytes.span) }
}

extension [UInt8] {
    /// The 32-bit number at `offset`.
    func number(at offset: Int) -> UInt32 { span.littleEndian32(at: offset) }
}
