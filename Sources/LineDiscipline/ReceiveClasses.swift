/// The class of each received byte under the current settings (n_tty's char_map).
struct ReceiveClasses: Sendable {
    /// The byte is handled one at a time.
    static let special: UInt8 = 1
    /// The byte stops, starts or flushes output: echoes of earlier bytes must not be sent too soon.
    static let actsOnOutput: UInt8 = 2

    /// One class for each byte; empty if no byte is special.
    private(set) var classes: [UInt8] = []

    /// Whether all bytes are queued unchanged.
    var isRaw: Bool { classes.isEmpty }

    init(_ termios: Termios) {
        let iflag = termios.iflag
        let lflag = termios.lflag
        let processing: InputFlags = [.ISTRIP, .IUCLC, .IGNCR, .ICRNL, .INLCR, .IXON, .PARMRK]
        guard iflag.intersection(processing) != [] || lflag.intersection([.ICANON, .ISIG, .ECHO]) != [] else {
            return
        }
        classes = [UInt8](repeating: 0, count: 256)
        var special: [UInt8] = []
        if iflag.contains(.IGNCR) || iflag.contains(.ICRNL) { special.append(.carriageReturn) }
        if iflag.contains(.INLCR) { special.append(.newline) }
        if lflag.contains(.ICANON) {
            special += [termios[.VERASE], termios[.VKILL], termios[.VEOF], .newline, termios[.VEOL]]
            if lflag.contains(.IEXTEN) {
                special += [termios[.VWERASE], termios[.VREPRINT], termios[.VLNEXT], termios[.VEOL2]]
            }
        }
        var acting: [UInt8] = []
        if iflag.contains(.IXON) { acting += [termios[.VSTART], termios[.VSTOP]] }
        if lflag.contains(.ISIG) { acting += [termios[.VINTR], termios[.VQUIT], termios[.VSUSP]] }
        for byte in special { classes[Int(byte)] |= Self.special }
        for byte in acting { classes[Int(byte)] |= Self.special | Self.actsOnOutput }
        classes[Int(UInt8.disabled)] = 0
    }

    subscript(_ byte: UInt8) -> UInt8 { classes[Int(byte)] }
}
