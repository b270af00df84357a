import RFC2217
import SerialLine
import SystemPackage

// Modem lines, RS485 (tty_io.c tty_tiocmset, serial_core.c uart_wait_modem_status).
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
        inputs = state.lines
        // The first report tells the levels; nothing has changed by it.
        guard inputsKnown else {
            inputsKnown = true
            return
        }
        counters.count(change: before, to: inputs)
        countPulses(state, before: before)
        serveModemWaits()
    }

    /// A change reported of a line whose level is the old one again was two edges.
    private mutating func countPulses(_ state: ModemState, before: ModemLines) {
        let still = before.symmetricDifference(inputs)
        if state.contains(.deltaCTS) && !still.contains(.cts) { counters.cts &+= 2 }
        if state.contains(.deltaDSR) && !still.contains(.dsr) { counters.dsr &+= 2 }
        if state.contains(.deltaDCD) && !still.contains(.dcd) { counters.dcd &+= 2 }
        if state.contains(.trailingRI) && !still.contains(.ri) { counters.ri &+= 1 }
    }

    /// The lines read low because nobody reports them any more.
    mutating func dropInputs() {
        counters.count(change: inputs, to: [])
        inputs = []
        inputsKnown = false
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

    /// TIOCGRS485: what holds; ENOTTY once the server has shown that it has no RS485 mode.
    mutating func getRS485(_ id: RequestID) {
        if rs485Unsupported { fail(id, .notTTY) } else { answerIoctl(id, rs485.bytes) }
    }

    /// TIOCSRS485: the vendor's SET-CONTROL; in force once the server has answered with the same value.
    mutating func setRS485(_ id: RequestID, _ file: FileID, _ wanted: SerialRS485) {
        guard wanted.flags & ~SerialRS485.knownFlags == 0 else { return fail(id, .invalidArgument) }
        guard !rs485Unsupported, isLinkUp else { return fail(id, .notTTY) }
        if wanted.isEnabled == rs485.isEnabled {
            rs485 = wanted
            return answerIoctl(id, wanted.bytes)
        }
        let ticket = send(.setControl(rs485Command(wanted.isEnabled)))
        settings.append(
            ParkedSetting(
                id: id, file: file, kind: .rs485(wanted, previous: rs485), tickets: [ticket],
                deadline: now + ComPortClient.answerWithin))
    }

    func rs485Command(_ on: Bool) -> ControlValue {
        ControlValue(rawValue: on ? configuration.rs485On : configuration.rs485Off)
    }

    /// The server has answered an RS485 request, or not (nil).
    mutating func settleRS485(_ setting: ParkedSetting, _ command: ComPortCommand?) {
        guard case .rs485(let wanted, _) = setting.kind else { return }
        if command == .setControl(rs485Command(wanted.isEnabled)) {
            rs485 = wanted
            return answerIoctl(setting.id, wanted.bytes)
        }
        rs485Unsupported = true
        log(
            .notice,
            "the server \(command == nil ? "does not answer" : "refuses") RS485 mode "
                + "(SET-CONTROL \(rs485Command(wanted.isEnabled).rawValue); see --rs485-codes)")
        fail(setting.id, .notTTY)
    }
}
