import SerialLine

/// The condition that ends a read, by MIN and TIME at its beginning.
package struct ReadTiming: Equatable, Sendable {
    /// The read ends once it has this many bytes. 0 in canonical mode, in which a line of any length ends it.
    package let minimum: Int
    /// Nanoseconds to wait for the first byte; nil: without limit.
    package let firstByte: UInt64?
    /// Nanoseconds to wait for each further byte; 0: without limit.
    package let betweenBytes: UInt64

    package init(minimum: Int, firstByte: UInt64?, betweenBytes: UInt64) {
        self.minimum = minimum
        self.firstByte = firstByte
        self.betweenBytes = betweenBytes
    }
}

// From the queue to the programs (n_tty_read, n_tty_poll, inq_canon).
extension LineDiscipline {
    /// Bytes that a read could return (FIONREAD). In canonical mode only complete lines count; an end of file is not
    /// a byte.
    package var readableCount: Int { readsLines ? input.canonicalCount : input.count }

    /// Whether a read would end: with bytes, or at an end of file.
    package var hasInput: Bool {
        readsLines ? input.canonHead != input.tail : input.commitHead - input.tail >= 1
    }

    /// Whether bytes from the backlog may come in. Small pieces at any time if that takes a copy; if echoes follow,
    /// large pieces once little is left (TTY_THRESHOLD_UNTHROTTLE).
    package var wantsMore: Bool {
        receiveClasses.isRaw || !hasInput || input.count <= 128
    }

    /// Whether poll(2) reports POLLIN. MIN counts only if TIME is 0.
    package var isReadable: Bool {
        if readsLines { return hasInput }
        let minimum = termios.timeNanoseconds == 0 ? max(termios.minimum, 1) : 1
        return input.commitHead - input.tail >= minimum
    }

    /// The condition that ends a read that begins now.
    package var readTiming: ReadTiming {
        let time = termios.timeNanoseconds
        if termios.lflag.contains(.ICANON) { return ReadTiming(minimum: 0, firstByte: nil, betweenBytes: 0) }
        if termios.minimum == 0 { return ReadTiming(minimum: 1, firstByte: time, betweenBytes: 0) }
        return ReadTiming(minimum: termios.minimum, firstByte: nil, betweenBytes: time)
    }

    /// Moves up to `limit` bytes to a reader; in canonical mode, one line at most.
    /// - Returns: the number of bytes. 0 after `hasInput` was true is an end of file.
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

    /// With EXTPROC an end of file is returned as its character if it comes alone: at the end of the input, and in a
    /// piece of its own (copy_from_read_buf).
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
