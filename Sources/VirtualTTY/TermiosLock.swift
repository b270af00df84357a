import LineDiscipline

/// What TIOCSLCKTRMIOS locks (tty_ioctl.c unset_locked_termios): single bits of the flags; c_line and each control
/// character as a whole, where its byte here is not 0.
struct TermiosLock: Sendable {
    /// A struct termios.
    private(set) var bytes = [UInt8](repeating: 0, count: Termios.size)

    /// Nothing is locked.
    init() {}

    /// - Parameter argument: a struct termios.
    init(_ argument: borrowing Span<UInt8>) {
        for index in bytes.indices { bytes[index] = argument[index] }
    }

    /// Bytes of the four words of flags.
    private static let flagBytes = 16

    /// Returns `new`, with all locked parts taken from `old`.
    func applied(to new: Termios, keeping old: Termios) -> Termios {
        let before = old.bytes
        var merged = new.bytes2
        for (index, mask) in bytes.enumerated() {
            let kept = index < Self.flagBytes ? mask : mask == 0 ? 0 : 0xFF
            merged[index] = merged[index] & ~kept | before[index] & kept
        }
        return new.overlaid(with: merged.span) ?? new
    }
}
