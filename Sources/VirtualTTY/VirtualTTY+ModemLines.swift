import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Modem lines (tty_io.c tty_tiocmset, serial_core.c uart_wait_modem_status).
extension VirtualTTY {
    /// TIOCMSET and related ioctls: only DTR and RTS can be set; other bits are ignored.
    mutating func changeOutputs(_ reply: consuming Reply, _ lines: ModemLines, mask: ModemLines) {
        setOutputs(lines, mask: mask)
        answerIoctl(reply)
    }

    /// TIOCMIWAIT: parks until one of the lines in `mask` has changed.
    mutating func waitForModemChange(_ reply: consuming Reply, _ file: FileID, _ mask: ModemLines) {
        requests.park(reply, file, ParkedModemWait(mask: mask, before: counters))
    }

    /// The far end reports its lines.
    mutating func receive(_ state: ModemState) {
        let before = inputs
        inputs.report(state.lines)
        if before.isShown { noteChange(state, before: before) }
    }

    /// Counts the changes since programs last saw the levels; a fall of carrier hangs up (uart_handle_dcd_change).
    private mutating func noteChange(_ state: ModemState, before: InputLines) {
        counters.count(change: before.levels, to: inputs.levels)
        // A connection's first report reflects changes from before the connection.
        if before.isReported { countPulses(state, before: before.levels) }
        let isPulse = before.isReported && state.contains(.deltaDCD) && before.hasCarrier == inputs.hasCarrier
        let hasFallen = before.hasCarrier && !inputs.hasCarrier
        if (hasFallen || isPulse) && liveFiles > 0 && !discipline.termios.cflag.contains(.CLOCAL) {
            if inputs.takeStaleFall(&time) { return log(.debug, "carrier fell with DTR, before the open") }
            hangUp("carrier lost")
        }
    }

    /// A line reported as changed, at its old level, has had two edges.
    private mutating func countPulses(_ state: ModemState, before: ModemLines) {
        let changed = before.symmetricDifference(inputs.levels)
        if state.contains(.deltaCTS) && !changed.contains(.cts) { counters.cts &+= 2 }
        if state.contains(.deltaDSR) && !changed.contains(.dsr) { counters.dsr &+= 2 }
        if state.contains(.deltaDCD) && !changed.contains(.dcd) { counters.dcd &+= 2 }
        if state.contains(.trailingRI) && !changed.contains(.ri) { counters.ri &+= 1 }
    }

    /// The lines read low because no server reports them any longer. The change counts if programs can see it.
    mutating func dropInputs() {
        if liveFiles > 0 { counters.count(change: inputs.levels, to: []) }
        inputs.drop()
    }
}
