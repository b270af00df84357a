import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Modem lines (tty_io.c tty_tiocmset, serial_core.c uart_wait_modem_status).
extension VirtualTTY {
    /// TIOCMSET and kin: only DTR and RTS can be set; other bits are ignored without a word.
    mutating func changeOutputs(_ id: RequestID, _ change: (ModemLines) -> ModemLines) {
        setOutputs(change(outputs))
        answerIoctl(id)
    }

    /// Commands DTR and RTS, both behind the data written before, and in one segment.
    mutating func setOutputs(_ lines: ModemLines) {
        let new = lines.intersection([.dtr, .rts])
        let changed = new.symmetricDifference(outputs)
        outputs = new
        guard takesCommands else { return }
        if changed.contains(.dtr) { send(.setControl(new.contains(.dtr) ? .dtrOn : .dtrOff)) }
        if changed.contains(.rts) { send(.setControl(new.contains(.rts) ? .rtsOn : .rtsOff)) }
    }

    /// TIOCMIWAIT: parks until one of the lines in `mask` has changed.
    mutating func waitForModemChange(_ id: RequestID, _ file: FileID, _ mask: ModemLines) {
        modemWaits.append(ParkedModemWait(id: id, file: file, mask: mask, before: counters))
    }

    /// The far end reports its lines.
    mutating func receive(_ state: ModemState) {
        let before = inputs
        let (isFirst, isNews) = (!inputsReported, inputsShown)
        inputs = state.lines
        inputsReported = true
        inputsShown = true
        if isNews { noteChange(state, before: before, isFirst: isFirst) }
        serveCarrierWaits()
    }

    /// Counts what has changed since programs were last shown the levels; the fall of carrier hangs up
    /// (uart_handle_dcd_change).
    private mutating func noteChange(_ state: ModemState, before: ModemLines, isFirst: Bool) {
        counters.count(change: before, to: inputs)
        // Changes before a connection's first report are from before it.
        if !isFirst { countPulses(state, before: before) }
        serveModemWaits()
        let isPulse = !isFirst && state.contains(.deltaDCD) && before.contains(.dcd) == inputs.contains(.dcd)
        let hasFallen = before.contains(.dcd) && !inputs.contains(.dcd)
        if (hasFallen || isPulse) && liveFiles > 0 && !discipline.termios.cflag.contains(.CLOCAL) {
            hangUp("carrier lost")
            vacateIfUnused()
        }
    }

    /// A change reported of a line whose level is the old one again was two edges.
    private mutating func countPulses(_ state: ModemState, before: ModemLines) {
        let still = before.symmetricDifference(inputs)
        if state.contains(.deltaCTS) && !still.contains(.cts) { counters.cts &+= 2 }
        if state.contains(.deltaDSR) && !still.contains(.dsr) { counters.dsr &+= 2 }
        if state.contains(.deltaDCD) && !still.contains(.dcd) { counters.dcd &+= 2 }
        if state.contains(.trailingRI) && !still.contains(.ri) { counters.ri &+= 1 }
    }

    /// The lines read low because nobody reports them any more, which counts where anybody can see it.
    mutating func dropInputs() {
        if liveFiles > 0 { counters.count(change: inputs, to: []) }
        inputs = []
        inputsReported = false
        serveModemWaits()
    }

    private mutating func serveModemWaits() {
        let now = counters
        let done = modemWaits.filter { wait in
            wait.mask.contains(.cts) && wait.before.cts != now.cts
                || wait.mask.contains(.dsr) && wait.before.dsr != now.dsr
                || wait.mask.contains(.dcd) && wait.before.dcd != now.dcd
                || wait.mask.contains(.ri) && wait.before.ri != now.ri
        }
        guard !done.isEmpty else { return }
        modemWaits.removeAll { wait in done.contains { $0.id == wait.id } }
        for wait in done { answerIoctl(wait.id) }
    }
}
