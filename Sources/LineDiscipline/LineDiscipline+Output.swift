import SerialLine

/// The processing class of each written byte, by c_oflag.
struct OutputClasses: Sendable {
    private static let ordinary: UInt8 = 0
    private static let counts: UInt8 = 1
    private static let isControl: UInt8 = 2
    /// The byte is handled one at a time.
    private static let special: UInt8 = 4

    private var classes = [UInt8](repeating: 0, count: 256)

    init(_ termios: Termios) {
        let isUTF8 = termios.iflag.contains(.IUTF8)
        for byte in UInt8.min...UInt8.max {
            switch byte {
            case .newline, .carriageReturn, .tab, .backspace: classes[Int(byte)] = Self.special | Self.isControl
            case _ where byte.isControl: classes[Int(byte)] = Self.isControl
            case _ where termios.oflag.contains(.OLCUC): classes[Int(byte)] = Self.special
            case _ where isUTF8 && byte.isUTF8Continuation: classes[Int(byte)] = Self.ordinary
            default: classes[Int(byte)] = Self.counts
            }
        }
    }

    /// The end of the run of bytes that need no processing, and the columns that the run takes.
    func run(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> (end: Int, columns: Int) {
        var columns = 0
        var position = range.lowerBound
        while position < range.upperBound {
            let kind = classes[Int(bytes[position])]
            if kind & Self.special != 0 { break }
            columns &+= Int(kind & Self.counts)
            position += 1
        }
        return (position, columns)
    }

    /// The columns that bytes take if each echoes as itself; nil if there are others: control characters, or 0xFF,
    /// which takes two bytes in the echo queue.
    func columnsOfEcho(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Int? {
        var columns = 0
        for position in range {
            let byte = bytes[position]
            let kind = classes[Int(byte)]
            if kind & (Self.special | Self.isControl) != 0 || byte == EchoQueue.start { return nil }
            columns &+= Int(kind & Self.counts)
        }
        return columns
    }
}

// From the programs to the driver: c_oflag (n_tty_write, do_output_char).
extension LineDiscipline {
    /// Bytes that the driver takes now.
    func roomForOutput(_ output: borrowing OutputBuffer) -> Int {
        isOutputStopped && output.refusesWhileStopped ? 0 : output.room
    }

    /// Whether written bytes are sent without processing.
    package var writesUnprocessed: Bool { !termios.oflag.contains(.OPOST) }

    /// Takes bytes that a program writes, from `start` on, as far as there is room for their processed form.
    /// - Returns: the number of bytes taken.
    package mutating func write(
        _ bytes: borrowing Span<UInt8>, from start: Int, to output: inout OutputBuffer
    ) -> Int {
        var position = start
        while position < bytes.count {
            let room = roomForOutput(output)
            let limit = min(bytes.count - position, room)
            guard limit > 0 else { break }
            if writesUnprocessed {
                output.append(bytes, position..<position + limit)
                position += limit
                continue
            }
            let (end, columns) = outputClasses.run(bytes, position..<position + limit)
            output.append(bytes, position..<end)
            column &+= columns
            position = end
            guard position < bytes.count, putProcessed(bytes[position], to: &output) else { break }
            position += 1
        }
        return position - start
    }

    /// Puts out one byte, processed by OPOST.
    /// - Returns: false if there is no room for all of its processed form; then nothing was done.
    mutating func putProcessed(_ byte: UInt8, to output: inout OutputBuffer) -> Bool {
        let room = roomForOutput(output)
        guard room > 0 else { return false }
        let oflag = termios.oflag
        switch byte {
        case .newline:
            if oflag.contains(.ONLRET) { column = 0 }
            if oflag.contains(.ONLCR) {
                guard room > 1 else { return false }
                column = 0
                output.append(.carriageReturn)
            }
            canonColumn = column
            output.append(.newline)
        case .carriageReturn: putCarriageReturn(to: &output)
        case .tab:
            let width = 8 - column & 7
            if oflag.isSuperset(of: .TABDLY) {
                guard width <= room else { return false }
                for _ in 0..<width { output.append(.space) }
            } else {
                output.append(.tab)
            }
            column += width
        case .backspace:
            if column > 0 { column -= 1 }
            output.append(byte)
        default: putOrdinary(byte, to: &output)
        }
        return true
    }

    private mutating func putCarriageReturn(to output: inout OutputBuffer) {
        if termios.oflag.contains(.ONOCR) && column == 0 { return }
        if termios.oflag.contains(.OCRNL) {
            if termios.oflag.contains(.ONLRET) {
                column = 0
                canonColumn = 0
            }
            return output.append(.newline)
        }
        column = 0
        canonColumn = 0
        output.append(.carriageReturn)
    }

    private mutating func putOrdinary(_ byte: UInt8, to output: inout OutputBuffer) {
        guard !byte.isControl else { return output.append(byte) }
        let shown = termios.oflag.contains(.OLCUC) ? byte.uppercased : byte
        if !isContinuation(shown) { column += 1 }
        output.append(shown)
    }
}
