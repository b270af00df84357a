import LineDiscipline
import RFC2217
import SerialLine

// From the line to the line discipline.
extension VirtualTTY {
    /// Data from the remote port: this part of `bytes`.
    mutating func receiveData(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        counters.received &+= UInt64(range.count)
        guard !reception.dropsData, discipline.termios.cflag.contains(.CREAD) else {
            // The flag belongs to the first of these bytes.
            reception.flagOfNextByte = nil
            return
        }
        if lent.isLent { return receiveForDiscipline(bytes, range) }
        var output = makeOutput()
        var start = range.lowerBound
        if closing != nil || !isInUse {
            // A closing port keeps no input, but flow characters still apply to its remaining output.
            if closing != nil { discipline.receiveClosing(bytes, range, to: &output) }
            return put(&output)
        }
        if let flag = reception.flagOfNextByte {
            reception.flagOfNextByte = nil
            receive(bytes[start], flag, to: &output)
            start += 1
        }
        takeIn(bytes, start..<range.upperBound, to: &output)
        put(&output)
    }

    /// Received bytes for a lent discipline.
    private mutating func receiveForDiscipline(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        if lent.received.isEmpty { effects.list.append(.feedDiscipline) }
        lent.received.append(contentsOf: bytes, range)
    }

    /// Passes bytes to the line discipline, behind older bytes in the backlog.
    private mutating func takeIn(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) {
        var start = range.lowerBound
        if reception.backlog.isEmpty {
            start += discipline.receive(bytes.extracting(..<range.upperBound), from: start, to: &output)
        }
        guard start < range.upperBound else { return }
        let end = start + reception.backlog.append(bytes, start..<range.upperBound)
        if end < range.upperBound { counters.bufferOverrun &+= UInt32(clamping: range.upperBound - end) }
        discipline.lookAhead(bytes, start..<end, to: &output)
        throttle()
    }

    /// Injects a byte as if it had been received (tiocsti).
    mutating func inject(_ byte: borrowing Span<UInt8>) {
        var output = makeOutput()
        takeIn(byte, 0..<byte.count, to: &output)
        put(&output)
    }

    /// Asks the far end's peer to stop, and later to continue, if the far end cannot do that itself (uart_throttle).
    mutating func throttle() {
        if !reception.isThrottled && !reception.backlog.isEmpty && discipline.termios.throttlesHere {
            reception.isThrottled = true
            sendFlowCharacter(.VSTOP)
        } else if reception.isThrottled && reception.backlog.isEmpty {
            reception.isThrottled = false
            sendFlowCharacter(.VSTART)
        }
    }

    /// The far end reports the state of its line: breaks, and bytes that came with errors. Servers do not send such a
    /// byte; a server that reports DATA READY with the error sends the byte next.
    mutating func receive(_ state: LineState) {
        counters.count(state)
        let isWrong = state.contains(.parity) || state.contains(.framing)
        // A lent discipline receives only bytes without errors.
        guard state.contains(.breakDetected) || isWrong, !lent.isLent else { return }
        let flag: ReceiveFlag =
            state.contains(.breakDetected) ? .breakCondition : state.contains(.parity) ? .parity : .frame
        if state.contains(.dataReady) {
            reception.flagOfNextByte = flag
            return
        }
        // Without INPCK termios has no representation for a byte that is missing.
        guard flag == .breakCondition || discipline.termios.iflag.contains(.INPCK) else { return }
        guard isInUse, closing == nil, !reception.dropsData, discipline.termios.cflag.contains(.CREAD) else { return }
        var output = makeOutput()
        receive(0, flag, to: &output)
        put(&output)
    }

    private mutating func receive(_ byte: UInt8, _ flag: ReceiveFlag, to output: inout OutputBuffer) {
        if reception.backlog.isEmpty && discipline.receive(byte, flag, to: &output) { return }
        reception.backlog.append(byte, flag)
    }

    /// Moves bytes from the backlog to the line discipline, if there is room.
    mutating func refill() {
        var output = makeOutput()
        reception.backlog.move(to: &discipline, &output)
        put(&output)
        throttle()
    }

    /// Drops all unread input.
    mutating func flushInput() {
        discipline.flushInput()
        reception.backlog.removeAll()
        lent.received.removeAll()
        reception.flagOfNextByte = nil
        throttle()
    }

    /// Whether more may be received. No, if programs are far behind, or if a server does not take the answers that it
    /// asked for. The limit is higher while an answer is awaited that may stand behind the data.
    /// - Parameter isPausing: receiving has paused, and resumes only if it is worth it.
    package func wantsToReceive(isPausing: Bool) -> Bool {
        guard transmission.wire.count < (isPausing ? Self.unsentResumeLimit : Self.unsentLimit) else { return false }
        let waiting = reception.backlog.count + lent.received.count
        if remote.hasUnresolved { return waiting < Backlog.hardLimit }
        return waiting < (isPausing ? Backlog.resumeLimit : Backlog.softLimit)
    }

    /// Limit of encoded bytes that wait for the socket: above it receiving pauses, and it resumes at this level. Data
    /// alone never reaches it (`Wire.stage`): these bytes are replies to a server that does not read.
    private static let unsentLimit = 65536
    private static let unsentResumeLimit = 49152

    /// Whether the server needs an acknowledgement soon: its answers may be waiting for it (Nagle's algorithm).
    package var awaitsAnswers: Bool { remote.hasUnresolved || !remote.isUp }
}
