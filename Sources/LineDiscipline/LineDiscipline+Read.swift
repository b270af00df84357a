import SerialLine

/// What a read waits for, by MIN and TIME as they are when it begins.
package struct ReadTiming: Equatable, Sendable {
    /// It ends once it has so many bytes; a line ends it whatever its length, and then this is 0.
    package let minimum: Int
    /// Nanoseconds it waits for the first byte; nil for ever.
    package let firstByte: UInt64?
    /// Nanoseconds it waits for each further byte; 0 for ever.
    package let betweenBytes: UInt64

    package init(minimum: Int, firstByte: UInt64?, betweenBytes: UInt64) {
        self.minimum = minimum
        self.firstByte = firstByte
        self.betweenBytes = betweenBytes
    }
}

// From the queue to the programs (n_tty_read, n_tty_poll, inq_canon).
extension LineDiscipline {
    /// Bytes that a read could return: FIONREAD. Of lines, those that are complete; an end of file is no byte.
    package var readableCount: Int { readsLines ? input.canonicalCount : input.count }

    /// Is there something for a read to end with? An end of file, too.
    package var hasInput: Bool {
        readsLines ? input.canonHead != input.tail : input.commitHead - input.tail >= 1
    }

    /// Is it time for what waits upstream to come in? Each time a little, where that takes a copy; where echoes follow, once
    /// little is left, and so many at once (TTY_THRESHOLD_UNTHROTTLE).
    package var wantsMore: Bool {
        receiveClasses.isRaw || !hasInput || input.count <= 128
    }

    /// Does poll(2) report POLLIN? MIN counts only without TIME.
    package var isReadable: Bool {
        if readsLines { return hasInput }
        let minimum = termios.timeNanoseconds == 0 ? max(termios.minimum, 1) : 1
        return input.commitHead - input.tail >= minimum
    }

    /// What a read that begins now waits for.
    package var readTiming: ReadTiming {
        let time = termios.timeNanoseconds
        if termios.lflag.contains(.ICANON) { return ReadTiming(minimum: 0, firstByte: nil, betweenBytes: 0) }
        if termios.minimum == 0 { return ReadTiming(minimum: 1, firstByte: time, betweenBytes: 0) }
        return ReadTiming(minimum: termios.minimum, firstByte: nil, betweenBytes: time)
    }

    /// Moves up to `limit` bytes to a reader; of lines, no more than one.
    /// - Returns: how many; with `hasInput` before, 0 is an end of file.
    package mutating func read(_ limit: Int, to destination: inout [UInt8]) -> Int {
        guard limit > 0 else { return 0 }
        let before = destination.count
        if readsLines {
            input.moveLine(limit, to: &destination)
        } else if termios.lflag.contains(.ICANON) {
            readExternallyProcessed(limit, to: &destination)
        } else {
            input.move(min(limit, input.commitHead - input.tail), to: &destination)
        }
        return destination.count - before
    }

    /// With EXTPROC an end of file is the character itself, if it comes alone: at the end of the input, and of no
    /// piece that the kernel copies at once (copy_from_read_buf).
    private mutating func readExternallyProcessed(_ limit: Int, to destination: inout [UInt8]) {
        var left = limit
        while left > 0 {
            let untilWrap = InputQueue.size - InputQueue.place(input.tail)
            let count = min(input.commitHead - input.tail, untilWrap, min(left, 64))
            guard count > 0 else { return }
            input.move(count, to: &destination)
            left -= count
            if input.tail != input.commitHead { continue }
            if count == 1 && destination.last == termios[.VEOF] { destination.removeLast() }
            return
        }
    }
}
