import SerialLine

/// Between the line and the programs: N_TTY (n_tty.c). Received bytes go in, what a read returns comes out; what is
/// written goes in, what the driver sends comes out, echoes among it.
///
/// By topic: `+Receive` (from the line, byte by byte), `+Canonical` (lines and their editing), `+Echo`, `+Output`
/// (c_oflag), `+Read`. What the port's driver does with the bytes is none of its business: `OutputBuffer` says how much
/// it takes.
package struct LineDiscipline: Sendable {
    /// What a raw read can find at once: N_TTY_BUF_SIZE less one.
    package static let capacity = InputQueue.size - 1

    package private(set) var termios: Termios
    var input = InputQueue()
    var echo = EchoQueue()
    /// What the settings make of each byte, received and written.
    private(set) var receiveClasses = ReceiveClasses(Termios())
    private(set) var outputClasses = OutputClasses(Termios())

    /// VLNEXT came: the next byte has no meaning but its own.
    var takesNextLiterally = false
    /// Between the `\` and the `/` of ECHOPRT.
    var isErasing = false
    /// The cursor's column, and the one at which the line being received began.
    var column = 0
    var canonColumn = 0
    /// Flow characters among so many bytes still to be received have been acted on.
    var lookaheadCount = 0

    /// Output waits: after VSTOP or TCOOFF.
    package internal(set) var isOutputStopped = false
    /// It was TCOOFF, which only TCOON ends.
    package internal(set) var isStoppedByProgram = false

    package init(termios: Termios = Termios()) {
        self.termios = termios
        classify()
    }

    /// Puts new settings in force, data pending or not (n_tty_set_termios). Echoes that waited may go out.
    package mutating func setTermios(_ new: Termios, to output: inout OutputBuffer) {
        let old = termios
        termios = new
        if old.lflag.symmetricDifference(new.lflag).intersection([.ICANON, .EXTPROC]) != [] { changeMode() }
        classify()
        if old.iflag.contains(.IXON) && !new.iflag.contains(.IXON) && !isStoppedByProgram { startOutput(&output) }
    }

    /// What is pending becomes one line, or ceases to be lines.
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

    /// Are reads by lines? With EXTPROC the far end edits them, and they are not.
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

    /// TCXONC's TCOON: ends what TCOOFF began; a VSTOP from the line it leaves alone.
    package mutating func resumeOutput() {
        guard isStoppedByProgram else { return }
        isStoppedByProgram = false
        isOutputStopped = false
    }

    /// VSTART came, or what stands for it: VSTOP's effect ends, and echoes that waited go out.
    mutating func startOutput(_ output: inout OutputBuffer) {
        endStop()
        processEchoes(to: &output)
    }

    /// Ends VSTOP's effect; not TCOOFF's.
    mutating func endStop() { if !isStoppedByProgram { isOutputStopped = false } }

    /// Nothing is left of who had the port open (n_tty_close, n_tty_open): the queues, and where the cursor was. The
    /// settings stay.
    package mutating func reset() { self = LineDiscipline(termios: termios) }
}
