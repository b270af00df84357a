/// What the settings make of each received byte (n_tty's char_map).
struct ReceiveClasses: Sendable {
    /// It is looked at one by one.
    static let special: UInt8 = 1
    /// It stops, starts or flushes output: echoes before it must not be ahead of their time.
    static let actsOnOutput: UInt8 = 2

    /// A bit set for each byte; empty where no byte is anything special.
    private(set) var classes: [UInt8] = []

    /// Does no byte need more than to be queued?
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
