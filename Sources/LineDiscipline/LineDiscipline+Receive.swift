import SerialLine

/// How a byte came from the line (<linux/tty.h> TTY_NORMAL and so on).
package enum ReceiveFlag: Sendable {
    case normal
    case breakCondition
    case parity
    case frame
    case overrun
}

// From the line to the queue (n_tty_receive_buf_common and the functions that it calls).
extension LineDiscipline {
    /// Takes received bytes from `start` on.
    /// - Returns: the number of bytes taken; the caller offers the others again after a read.
    package mutating func receive(
        _ bytes: borrowing Span<UInt8>, from start: Int, to output: inout OutputBuffer
    ) -> Int {
        var position = start
        while true {
            let room = makeRoom()
            let taken = min(bytes.count - position, room.count)
            guard taken > 0 else { return position - start }
            let end = position + taken
            if receiveClasses.isRaw || (termios.lflag.contains(.EXTPROC) && !changesCharacters) {
                input.put(bytes, position..<end)
            } else {
                let alreadyActed = min(lookaheadCount, taken)
                receive(bytes, position..<position + alreadyActed, hasActed: true, to: &output)
                receive(bytes, position + alreadyActed..<end, hasActed: false, to: &output)
                flushEchoes(to: &output)
            }
            finishReceiving(taken)
            position = end
        }
    }

    /// Takes one byte that came with an error or a break.
    /// - Returns: false if there is no room; the caller offers the byte again after a read.
    package mutating func receive(_ byte: UInt8, _ flag: ReceiveFlag, to output: inout OutputBuffer) -> Bool {
        let room = makeRoom()
        guard room.count > 0 else { return false }
        // A byte that replaces the last one of a full queue keeps no parity error.
        if !(room.overflows && flag == .parity) {
            takesNextLiterally = false
            receiveFlagged(byte, flag, to: &output)
            flushEchoes(to: &output)
        }
        finishReceiving(1)
        _ = makeRoom()
        return true
    }

    private mutating func finishReceiving(_ count: Int) {
        lookaheadCount -= min(lookaheadCount, count)
        if !readsLines { input.commitHead = input.head }
    }

    /// Bytes that may be received now. With PARMRK each may become three. An incomplete line that fills the queue
    /// does not block its own end: a new byte then replaces the last one.
    private mutating func makeRoom() -> (count: Int, overflows: Bool) {
        let room = room
        if room > 0 { return (room, false) }
        let overflows = hasOnlyPartOfALine
        if overflows && room < 0 { input.dropLast() }
        return (overflows ? 1 : 0, overflows)
    }

    /// Whether bytes from the backlog may come in.
    package var hasRoom: Bool { room > 0 || hasOnlyPartOfALine }

    /// Bytes that fit; less than 1 if the queue is full.
    private var room: Int {
        let places = InputQueue.size - input.count
        return (termios.iflag.contains(.PARMRK) ? (places + 2) / 3 : places) - 1
    }

    private var hasOnlyPartOfALine: Bool { termios.lflag.contains(.ICANON) && input.canonHead == input.tail }

    /// Whether the settings change received bytes before any other processing.
    private var changesCharacters: Bool {
        termios.iflag.contains(.ISTRIP) || (termios.iflag.contains(.IUCLC) && termios.lflag.contains(.IEXTEN))
    }

    private func changed(_ byte: UInt8) -> UInt8 {
        let stripped = termios.iflag.contains(.ISTRIP) ? byte & 0x7F : byte
        let lowers = termios.iflag.contains(.IUCLC) && termios.lflag.contains(.IEXTEN)
        return lowers ? stripped.lowercased : stripped
    }

    /// Receives bytes in a mode that is not raw (n_tty_receive_buf_standard).
    private mutating func receive(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, hasActed: Bool, to output: inout OutputBuffer
    ) {
        // Most bytes belong to runs of ordinary bytes. If each byte is changed, there are no runs.
        let hasRuns = !changesCharacters
        // Echoes may be sent at once, unless a later byte of this input stops or flushes output.
        let echoesAtOnce = hasRuns && !actsOnOutput(bytes, range)
        var position = range.lowerBound
        while position < range.upperBound {
            if hasRuns && !takesNextLiterally {
                let end = endOfRun(bytes, position..<range.upperBound)
                if end > position {
                    receiveRun(bytes, position..<end, echoesAtOnce: echoesAtOnce, to: &output)
                    position = end
                    continue
                }
            }
            receiveStandard(bytes[position], hasActed: hasActed, to: &output)
            position += 1
        }
    }

    private func actsOnOutput(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Bool {
        for position in range where receiveClasses[bytes[position]] & ReceiveClasses.actsOnOutput != 0 { return true }
        return false
    }

    /// The end of the run of ordinary bytes at the beginning of the range.
    private func endOfRun(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Int {
        let marks = termios.iflag.contains(.PARMRK)
        var position = range.lowerBound
        while position < range.upperBound {
            let byte = bytes[position]
            if receiveClasses[byte] != 0 || (marks && byte == .mark) { break }
            position += 1
        }
        return position
    }

    /// Receives a run of ordinary bytes, with the result of `receiveOrdinary` for each.
    private mutating func receiveRun(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, echoesAtOnce: Bool, to output: inout OutputBuffer
    ) {
        restartByAny(&output)
        if termios.lflag.contains(.ECHO)
            && !(echoesAtOnce && echoAtOnce(bytes, range, to: &output))
        {
            for position in range { echoReceived(bytes[position], isFirst: position == range.lowerBound, to: &output) }
        }
        input.put(bytes, range)
    }

    private mutating func receiveStandard(_ received: UInt8, hasActed: Bool, to output: inout OutputBuffer) {
        let byte = changed(received)
        if takesNextLiterally {
            takesNextLiterally = false
            receiveOrdinary(byte, to: &output)
        } else if termios.lflag.contains(.EXTPROC) {
            input.put(byte)
        } else if receiveClasses[byte] != 0 {
            receiveSpecial(byte, hasActed: hasActed, to: &output)
        } else {
            receiveOrdinary(byte, to: &output)
        }
    }

    /// Receives a byte without a special meaning (n_tty_receive_char).
    private mutating func receiveOrdinary(_ byte: UInt8, to output: inout OutputBuffer) {
        restartByAny(&output)
        if termios.lflag.contains(.ECHO) { echoReceived(byte, to: &output) }
        queue(byte)
    }

    /// Receives a byte to which the settings may give a meaning (n_tty_receive_char_special).
    private mutating func receiveSpecial(_ received: UInt8, hasActed: Bool, to output: inout OutputBuffer) {
        if termios.iflag.contains(.IXON) && isFlowCharacter(received) {
            if !hasActed { actOnFlowCharacter(received, &output) }
            return
        }
        if termios.lflag.contains(.ISIG)
            && (received == termios[.VINTR] || received == termios[.VQUIT] || received == termios[.VSUSP])
        {
            return receiveSignalCharacter(received, to: &output)
        }
        restartByAny(&output)
        var byte = received
        if byte == .carriageReturn {
            if termios.iflag.contains(.IGNCR) { return }
            if termios.iflag.contains(.ICRNL) { byte = .newline }
        } else if byte == .newline && termios.iflag.contains(.INLCR) {
            byte = .carriageReturn
        }
        if termios.lflag.contains(.ICANON) && receiveCanonical(byte, to: &output) { return }
        if termios.lflag.contains(.ECHO) {
            if byte == .newline {
                echo.addPlain(.newline)
                commitEchoes(to: &output)
            } else {
                echoReceived(byte, to: &output)
            }
        }
        queue(byte)
    }

    /// Queues a byte; PARMRK doubles 0xFF.
    private mutating func queue(_ byte: UInt8) {
        if byte == .mark && termios.iflag.contains(.PARMRK) { input.put(byte) }
        input.put(byte)
    }

    // Flow characters.

    private func isFlowCharacter(_ byte: UInt8) -> Bool { byte == termios[.VSTART] || byte == termios[.VSTOP] }

    private mutating func actOnFlowCharacter(_ byte: UInt8, _ output: inout OutputBuffer) {
        if byte == termios[.VSTART] { startOutput(&output) } else { isOutputStopped = true }
    }

    /// IXANY: any byte restarts output, and is also received.
    private mutating func restartByAny(_ output: inout OutputBuffer) {
        if isOutputStopped && termios.iflag.isSuperset(of: [.IXON, .IXANY]) { startOutput(&output) }
    }

    /// Applies the flow characters among bytes that wait in the backlog (n_tty_lookahead_flow_ctrl). They are removed
    /// when the bytes come in.
    package mutating func lookAhead(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) {
        lookaheadCount += range.count
        guard termios.iflag.contains(.IXON) else { return }
        for position in range where isFlowCharacter(bytes[position]) { actOnFlowCharacter(bytes[position], &output) }
    }

    /// The port is being closed: bytes are dropped, but flow characters still apply to the output that drains
    /// (n_tty_receive_char_closing).
    package mutating func receiveClosing(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) {
        guard termios.iflag.contains(.IXON), !termios.lflag.contains(.EXTPROC) else { return }
        for position in range {
            let byte = changed(bytes[position])
            if isFlowCharacter(byte) {
                actOnFlowCharacter(byte, &output)
            } else if byte != termios[.VINTR] && byte != termios[.VQUIT] && byte != termios[.VSUSP] {
                restartByAny(&output)
            }
        }
    }

    // Signals: the port is not a controlling terminal, so no signal is sent; the other effects apply.

    /// VINTR, VQUIT, VSUSP (n_tty_receive_signal_char).
    private mutating func receiveSignalCharacter(_ byte: UInt8, to output: inout OutputBuffer) {
        flushForSignal(&output)
        endStop()
        if termios.lflag.contains(.ECHO) {
            echoCharacter(byte)
            commitEchoes(to: &output)
        } else {
            processEchoes(to: &output)
        }
    }

    private mutating func flushForSignal(_ output: inout OutputBuffer) {
        guard !termios.lflag.contains(.NOFLSH) else { return }
        echo.removeAll()
        output.flush()
        flushInput()
    }

    // Errors of the line.

    private mutating func receiveFlagged(_ byte: UInt8, _ flag: ReceiveFlag, to output: inout OutputBuffer) {
        let iflag = termios.iflag
        switch flag {
        case .normal: queue(byte)
        case .overrun: break
        case .breakCondition:
            if iflag.contains(.IGNBRK) { return }
            if iflag.contains(.BRKINT) { return flushForSignal(&output) }
            if iflag.contains(.PARMRK) { putMark() }
            input.put(0)
        case .parity, .frame:
            guard iflag.contains(.INPCK) else { return input.put(byte) }
            if iflag.contains(.IGNPAR) { return }
            guard iflag.contains(.PARMRK) else { return input.put(0) }
            putMark()
            input.put(byte)
        }
    }

    private mutating func putMark() {
        input.put(.mark)
        input.put(0)
    }
}
