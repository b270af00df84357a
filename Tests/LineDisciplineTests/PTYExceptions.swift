import LineDiscipline

/// The parts of a line discipline that a pty cannot show, or in which ours differs from the kernel's, with the
/// reasons. This is the complete list; random programs avoid these parts.
///
/// | Left out | Reason | Kept out by |
/// |---|---|---|
/// | Breaks, bytes with errors | a pty has none | `LineErrorTests` test ours |
/// | A driver with little room | a pty counts its room in pieces of memory, a uart in bytes | `OutputRoomTests` test ours |
/// | Output while stopped | a pty takes none; a uart's driver fills its queue | ours is told it is a pty (`refusesWhileStopped`) |
/// | MIN above 64 | the kernel reads 64 bytes at a time and is content with them; ours goes by POSIX (TTY-SPEC, 53) | `mostMinimum` |
/// | Output before a signal character | the flush drops what the master has not been given yet: that is chance | `parts` |
/// | Signal characters that wait for room | the same | `comparable` |
/// | VLNEXT where ECHOPRT has shown an erasure and ECHOCTL is off | the kernel marks no echo as whole then, and the next write echoes 4095 old bytes | `comparable` |
/// | Erasing or reprinting more than the echo ring holds | the kernel overwrites its ring of 4096; ours hands echoes on as it goes | `comparable`, `shortLine` |
/// | EXTPROC with ICANON beyond a full queue | the kernel lets a byte be read that it has dropped; FIONREAD is -1 then | `comparable` |
/// | PARMRK with ICANON beyond a full queue | each 0xFF is two bytes, and the kernel counts past its ring | `comparable` |
/// | More echoes waiting than the ring holds | the same: the kernel may miss the end of a block, which it hands on or drops | `comparable`, `mayStop` |
/// | More than 8192 bytes waiting for room | the master's write takes only 8192 | `mostWaiting` |
struct PTYExceptions {
    /// Does a program receive more than there is room for?
    let overflows: Bool
    private var hasPrintedErasures = false

    static let mostMinimum: UInt8 = 64
    /// Bytes that may wait for room; they wait in pieces, each with some room of its own.
    static let mostWaiting = 3000
    /// All that a program without overflow receives: erased with three bytes of echo each, twice that for ^X, it is still
    /// less than the echo ring.
    static let shortLine = 300

    init(overflows: Bool) { self.overflows = overflows }

    /// May output be stopped while much is received?
    var mayStop: Bool { !overflows }

    /// These settings without what cannot be compared.
    mutating func comparable(_ asked: Termios) -> Termios {
        var termios = asked
        termios[.VMIN] = min(termios[.VMIN], Self.mostMinimum)
        if termios.lflag.contains(.ECHOPRT) { hasPrintedErasures = true }
        if hasPrintedErasures && !termios.lflag.contains(.ECHOCTL) { termios[.VLNEXT] = 0 }
        if overflows {
            termios.lflag.insert(.NOFLSH)
            if termios.lflag.contains(.ICANON) {
                termios.lflag.remove(.EXTPROC)
                termios.iflag.remove(.PARMRK)
            }
            if termios.lflag.contains(.ECHO) {
                termios.lflag.remove(.ECHOKE)
                termios[.VREPRINT] = 0
                termios[.VWERASE] = 0
                termios[.VSTOP] = 0
            }
        }
        return termios
    }

    /// The parts in which a step must be carried out: each signal character that flushes begins one. Empty if the
    /// step is impossible.
    static func parts(_ step: DisciplineProgram.Step, _ ours: DisciplineUnderTest) -> [DisciplineProgram.Step] {
        guard case .receive(let bytes) = step else { return [step] }
        guard !bytes.isEmpty, ours.waiting.count + bytes.count <= mostWaiting else { return [] }
        let termios = ours.discipline.termios
        guard termios.lflag.contains(.ISIG) && !termios.lflag.contains(.NOFLSH) else { return [step] }
        let signals = [termios[.VINTR], termios[.VQUIT], termios[.VSUSP]]
        var parts: [[UInt8]] = [[]]
        for byte in bytes {
            // As it is, or as ISTRIP and IUCLC make it.
            let forms = [byte, byte & 0x7F, byte | 0x20, byte & 0x7F | 0x20]
            if forms.contains(where: signals.contains) { parts.append([]) }
            parts[parts.count - 1].append(byte)
        }
        return parts.filter { !$0.isEmpty }.map { .receive($0) }
    }
}
