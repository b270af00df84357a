import SerialLine

// Echo (n_tty.c's echo buffer): what is received goes out again, behind what is being written, processed like it.
extension LineDiscipline {
    /// Echoes a received byte, as ^X where ECHOCTL shows control characters so (echo_char).
    mutating func echoCharacter(_ byte: UInt8) {
        if termios.lflag.contains(.ECHOCTL) && byte.isControl && byte != .tab {
            echo.addControl(byte)
        } else {
            echo.addPlain(byte)
        }
    }

    /// Ends what ECHOPRT shows.
    mutating func finishErasing() {
        guard isErasing else { return }
        echo.addPlain(.slash)
        isErasing = false
    }

    /// Echoes a byte of the line.
    /// - Parameter isFirst: it may be the first of its line; false where it is known not to be.
    mutating func echoReceived(
        _ byte: UInt8, isFirst: Bool = true, finishingErasing: Bool = true, to output: inout OutputBuffer
    ) {
        if finishingErasing { finishErasing() }
        if isFirst && input.canonHead == input.head { echo.add(.setCanonColumn) }
        echoCharacter(byte)
        commitEchoes(to: &output)
    }

    /// Echoes a run of ordinary bytes without the queue, where nothing else waits in it, and where each is one byte.
    /// - Returns: false where it cannot be done so, and nothing has been done.
    mutating func echoAtOnce(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) -> Bool {
        processEchoes(to: &output)
        guard echo.isEmpty, !isErasing, roomForOutput(output) >= range.count else { return false }
        guard let columns = outputClasses.columnsOfEcho(bytes, range) else { return false }
        if input.canonHead == input.head { canonColumn = column }
        // Without OPOST columns are not counted.
        if termios.oflag.contains(.OPOST) { column &+= columns }
        output.append(bytes, range)
        return true
    }

    /// The echoes so far are whole; every block of them goes out (commit_echoes).
    mutating func commitEchoes(to output: inout OutputBuffer) {
        if echo.commitBlocks() { handOnEchoes(to: &output) } else { keepRoomForEchoes(to: &output) }
    }

    /// One byte received may echo as more than the queue holds, and the end of a block may be missed: what is in it goes
    /// out before it overflows. (The kernel overwrites it.)
    mutating func keepRoomForEchoes(to output: inout OutputBuffer) {
        if echo.isNearlyFull { processEchoes(to: &output) }
    }

    /// Hands on the echoes that wait, as far as there is room (process_echoes): before a write, and once output goes
    /// again.
    package mutating func processEchoes(to output: inout OutputBuffer) {
        guard !echo.isEmpty else { return }
        echo.commitAll()
        handOnEchoes(to: &output)
    }

    /// Do echoes wait for room?
    package var hasEchoes: Bool { !echo.isEmpty }

    /// What was received is done with: its echoes go out (flush_echoes).
    mutating func flushEchoes(to output: inout OutputBuffer) {
        guard termios.lflag.intersection([.ECHO, .ECHONL]) != [], !echo.isCommitted else { return }
        echo.commitAll()
        handOnEchoes(to: &output)
    }

    private mutating func handOnEchoes(to output: inout OutputBuffer) {
        while echo.tail < echo.commit, handOnEcho(to: &output) {}
        echo.dropExcess()
    }

    /// Hands on one byte or operation.
    /// - Returns: false where there is no room for it.
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
