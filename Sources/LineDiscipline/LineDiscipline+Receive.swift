import SerialLine

/// How a byte came from the line (<linux/tty.h> TTY_NORMAL and so on).
package enum ReceiveFlag: Sendable {
    case normal
    case breakCondition
    case parity
    case frame
    case overrun
}

// From the line to the queue (n_tty_receive_buf_common and what it calls).
extension LineDiscipline {
    /// Takes received bytes from `start` on.
    /// - Returns: how many there was room for; the others are to be offered again after a read.
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

    /// Takes one byte that came with something else than itself.
    /// - Returns: false where there is no room; then it is to be offered again after a read.
    package mutating func receive(_ byte: UInt8, _ flag: ReceiveFlag, to output: inout OutputBuffer) -> Bool {
        let room = makeRoom()
        guard room.count > 0 else { return false }
        // What does not fit has no errors.
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

    /// How many bytes may be received now. With PARMRK each may become three. A line that is not complete never keeps
    /// its end from coming in: then the last byte gives way to the next.
    private mutating func makeRoom() -> (count: Int, overflows: Bool) {
        let room = room
        if room > 0 { return (room, false) }
        let overflows = hasOnlyPartOfALine
        if overflows && room < 0 { input.dropLast() }
        return (overflows ? 1 : 0, overflows)
    }

    /// May bytes that wait upstream come in?
    package var hasRoom: Bool { room > 0 || hasOnlyPartOfALine }

    /// Bytes that fit; below 1 there are none.
    private var room: Int {
        let places = InputQueue.size - input.count
        return (termios.iflag.contains(.PARMRK) ? (places + 2) / 3 : places) - 1
    }

    private var hasOnlyPartOfALine: Bool { termios.lflag.contains(.ICANON) && input.canonHead == input.tail }

    /// Are received bytes changed before anything else?
    private var changesCharacters: Bool {
        termios.iflag.contains(.ISTRIP) || (termios.iflag.contains(.IUCLC) && termios.lflag.contains(.IEXTEN))
    }

    private func changed(_ byte: UInt8) -> UInt8 {
        let stripped = termios.iflag.contains(.ISTRIP) ? byte & 0x7F : byte
        let lowers = termios.iflag.contains(.IUCLC) && termios.lflag.contains(.IEXTEN)
        return lowers ? stripped.lowercased : stripped
    }

    /// Bytes of a port that is not raw (n_tty_receive_buf_standard).
    private mutating func receive(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, hasActed: Bool, to output: inout OutputBuffer
    ) {
        // Runs of ordinary bytes are the rule; where each is changed, there are none.
        let hasRuns = !changesCharacters
        // Echoes may go out at once unless something farther on decides whether they do.
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

    /// Where the ordinary bytes that begin the range end.
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

    /// Ordinary bytes, many at once; what `receiveOrdinary` does for each.
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

    /// A byte without a meaning of its own (n_tty_receive_char).
    private mutating func receiveOrdinary(_ byte: UInt8, to output: inout OutputBuffer) {
        restartByAny(&output)
        if termios.lflag.contains(.ECHO) { echoReceived(byte, to: &output) }
        queue(byte)
    }

    /// A byte that the settings give a meaning, perhaps (n_tty_receive_char_special).
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

    /// Queues a byte; PARMRK doubles the one it marks with.
    private mutating func queue(_ byte: UInt8) {
        if byte == .mark && termios.iflag.contains(.PARMRK) { input.put(byte) }
        input.put(byte)
    }

    // Flow characters.

    private func isFlowCharacter(_ byte: UInt8) -> Bool { byte == termios[.VSTART] || byte == termios[.VSTOP] }

    private mutating func actOnFlowCharacter(_ byte: UInt8, _ output: inout OutputBuffer) {
        if byte == termios[.VSTART] { startOutput(&output) } else { isOutputStopped = true }
    }

    /// IXANY: any byte restarts output, and is received all the same.
    private mutating func restartByAny(_ output: inout OutputBuffer) {
        if isOutputStopped && termios.iflag.isSuperset(of: [.IXON, .IXANY]) { startOutput(&output) }
    }

    /// Bytes wait upstream for room: flow characters among them act at once (n_tty_lookahead_flow_ctrl). They are
    /// taken out when the bytes come in.
    package mutating func lookAhead(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) {
        lookaheadCount += range.count
        guard termios.iflag.contains(.IXON) else { return }
        for position in range where isFlowCharacter(bytes[position]) { actOnFlowCharacter(bytes[position], &output) }
    }

    /// The port is being closed: bytes are kept no longer, but flow characters hold for the output that drains
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

    // Signals: no program has this port as its controlling terminal, so nobody gets one; the rest happens.

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
