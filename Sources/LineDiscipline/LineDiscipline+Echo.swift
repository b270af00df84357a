import SerialLine

// Echo (n_tty.c's echo buffer): received bytes are sent back, after the bytes being written, with the same output
// processing.
extension LineDiscipline {
    /// Echoes a received byte; as ^X if ECHOCTL applies to it (echo_char).
    mutating func echoCharacter(_ byte: UInt8) {
        if termios.lflag.contains(.ECHOCTL) && byte.isControl && byte != .tab {
            echo.addControl(byte)
        } else {
            echo.addPlain(byte)
        }
    }

    /// Ends an ECHOPRT erasure.
    mutating func finishErasing() {
        guard isErasing else { return }
        echo.addPlain(.slash)
        isErasing = false
    }

    /// Echoes a byte of the line.
    /// - Parameter isFirst: the byte may be the first of its line; false if it is known not to be.
    mutating func echoReceived(
        _ byte: UInt8, isFirst: Bool = true, finishingErasing: Bool = true, to output: inout OutputBuffer
    ) {
        if finishingErasing { finishErasing() }
        if isFirst && input.canonHead == input.head { echo.add(.setCanonColumn) }
        echoCharacter(byte)
        commitEchoes(to: &output)
    }

    /// Echoes a run of ordinary bytes without the queue, if the queue is empty and each byte echoes as one byte.
    /// - Returns: false if that is not possible; then nothing was done.
    mutating func echoAtOnce(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) -> Bool {
        processEchoes(to: &output)
        guard echo.isEmpty, !isErasing, roomForOutput(output) >= range.count else { return false }
        guard let columns = outputClasses.columnsOfEcho(bytes, range) else { return false }
        if input.canonHead == input.head { canonColumn = column }
        // Without OPOST no columns are counted.
        if termios.oflag.contains(.OPOST) { column &+= columns }
        output.append(bytes, range)
        return true
    }

    /// The queued echoes are complete: passes them on in blocks (commit_echoes).
    mutating func commitEchoes(to output: inout OutputBuffer) {
        if echo.commitBlocks() { handOnEchoes(to: &output) } else { keepRoomForEchoes(to: &output) }
    }

    /// Passes echoes on before the queue overflows: one received byte may echo as more than the queue holds. (The
    /// kernel overwrites old echoes instead.)
    mutating func keepRoomForEchoes(to output: inout OutputBuffer) {
        if echo.isNearlyFull { processEchoes(to: &output) }
    }

    /// Passes queued echoes on, if there is room (process_echoes): before a write, and when output resumes.
    package mutating func processEchoes(to output: inout OutputBuffer) {
        guard !echo.isEmpty else { return }
        echo.commitAll()
        handOnEchoes(to: &output)
    }

    /// Whether echoes wait for room.
    package var hasEchoes: Bool { !echo.isEmpty }

    /// All received bytes are processed: passes their echoes on (flush_echoes).
    mutating func flushEchoes(to output: inout OutputBuffer) {
        guard termios.lflag.intersection([.ECHO, .ECHONL]) != [], !echo.isCommitted else { return }
        echo.commitAll()
        handOnEchoes(to: &output)
    }

    private mutating func handOnEchoes(to output: inout OutputBuffer) {
        while echo.tail < echo.commit, handOnEcho(to: &output) {}
        echo.dropExcess()
    }

    /// Passes on one byte or operation.
    /// - Returns: false if there is no room for it.
    private mutating func handOnEcho(to output: inout OutputBuffer) -> Bool {
        let room = roomForOutput(output)
        let byte = echo[echo.tail]
        guard byte == EchoQueue.start else {
            if termios.oflag.contains(.OPOST) {
                guard putProcessed(byte, to: &output) else { return false }
            } else {
                guard room > 0 else { return false }
                output.append(byte)
            }
            echo.advance(1)
            return true
        }
        let operand = echo[echo.tail + 1]
        switch EchoQueue.Operation(rawValue: operand) {
        case .eraseTab:
            guard eraseTab(echo[echo.tail + 2], room: room, to: &output) else { return false }
            echo.advance(1)
        case .setCanonColumn:
            canonColumn = column
        case .moveBackColumn:
            if column > 0 { column -= 1 }
        case nil where operand == EchoQueue.start:
            guard room > 0 else { return false }
            output.append(operand)
            column += 1
        case nil:
            guard room > 1 else { return false }
            output.append(.caret)
            output.append(operand ^ 0x40)
            column += 2
        }
        echo.advance(2)
        return true
    }

    private mutating func eraseTab(_ columns: UInt8, room: Int, to output: inout OutputBuffer) -> Bool {
        var before = Int(columns)
        if columns & EchoQueue.afterTab == 0 { before += canonColumn }
        let width = 8 - before & 7
        guard width <= room else { return false }
        for _ in 0..<width {
            output.append(.backspace)
            if column > 0 { column -= 1 }
        }
        return true
    }
}
