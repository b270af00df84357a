import SerialLine

/// N_TTY (n_tty.c), between the line and the programs. Received bytes enter it and are returned by reads; written
/// bytes enter it and leave it processed, with echoes among them.
///
/// By topic: `+Receive` (from the line, byte by byte), `+Canonical` (lines and their editing), `+Echo`, `+Output`
/// (c_oflag), `+Read`. The driver stands behind `OutputBuffer`, which holds the bytes for it and the room that it has.
package struct LineDiscipline: Sendable {
    /// Most bytes that a raw read can find at once: N_TTY_BUF_SIZE − 1.
    package static let capacity = InputQueue.size - 1

    package private(set) var termios: Termios
    var input = InputQueue()
    var echo = EchoQueue()
    /// The classes of received and written bytes under the current settings.
    private(set) var receiveClasses = ReceiveClasses(Termios())
    private(set) var outputClasses = OutputClasses(Termios())

    /// VLNEXT was received: the next byte has no special meaning.
    var takesNextLiterally = false
    /// Output is between the `\` and the `/` of ECHOPRT.
    var isErasing = false
    /// The cursor's column, and the column at which the line being received began.
    var column = 0
    var canonColumn = 0
    /// Number of coming bytes whose XON/XOFF `lookAhead` has already applied.
    var lookaheadCount = 0

    /// Output is stopped by VSTOP or TCOOFF.
    package internal(set) var isOutputStopped = false
    /// TCOOFF has stopped output; only TCOON resumes it.
    package internal(set) var isStoppedByProgram = false

    package init(termios: Termios = Termios()) {
        self.termios = termios
        classify()
    }

    /// Applies new settings; input may be pending (n_tty_set_termios). Echoes that waited may be sent.
    package mutating func setTermios(_ new: Termios, to output: inout OutputBuffer) {
        let old = termios
        termios = new
        if old.lflag.symmetricDifference(new.lflag).intersection([.ICANON, .EXTPROC]) != [] { changeMode() }
        classify()
        if old.iflag.contains(.IXON) && !new.iflag.contains(.IXON) && !isStoppedByProgram { startOutput(&output) }
    }

    /// Pending input becomes one line, or is no longer divided into lines.
    private mutating func changeMode() {
        input.forgetLineEnds()
        if !termios.lflag.contains(.ICANON) || input.count == 0 {
            input.canonHead = input.tail
        } else {
            input.markLineEnd(at: input.head - 1)
            input.canonHead = input.head
        }
        input.commitHead = input.head
        isErasing = false
        takesNextLiterally = false
    }

    private mutating func classify() {
        receiveClasses = ReceiveClasses(termios)
        outputClasses = OutputClasses(termios)
    }

    /// Whether reads return lines. With EXTPROC the far end edits lines, and reads are raw.
    package var readsLines: Bool { termios.lflag.intersection([.ICANON, .EXTPROC]) == .ICANON }

    /// Drops all unread input (reset_buffer_flags).
    package mutating func flushInput() {
        input.removeAll()
        isErasing = false
        lookaheadCount = 0
    }

    // Stopping and starting output (tty_io.c stop_tty, start_tty; n_tty_ioctl_helper).

    /// TCXONC's TCOOFF.
    package mutating func suspendOutput() {
        isStoppedByProgram = true
        isOutputStopped = true
    }

    /// TCXONC's TCOON: ends TCOOFF, but not a received VSTOP.
    package mutating func resumeOutput() {
        guard isStoppedByProgram else { return }
        isStoppedByProgram = false
        isOutputStopped = false
    }

    /// VSTART, or an equivalent, was received: ends VSTOP, and passes on echoes that waited.
    mutating func startOutput(_ output: inout OutputBuffer) {
        endStop()
        processEchoes(to: &output)
    }

    /// Ends VSTOP, but not TCOOFF.
    mutating func endStop() { if !isStoppedByProgram { isOutputStopped = false } }

    /// Clears the queues and the column (n_tty_close, n_tty_open); the settings remain.
    package mutating func reset() { self = LineDiscipline(termios: termios) }
}
