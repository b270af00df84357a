import SerialLine

/// Between the line and the programs: N_TTY (n_tty.c). Received bytes go in, what a read returns comes out.
///
/// Non-canonical input without any of c_iflag's and c_lflag's processing is whole. Where termios asks for more, the
/// bytes pass as they are; the processing goes into `receive` and `read`.
package struct LineDiscipline: Sendable {
    /// N_TTY_BUF_SIZE less one: what a raw read can find at once.
    package static let capacity = 4095

    package private(set) var termios: Termios
    private var queue = ByteRing(capacity: capacity)

    package init(termios: Termios = Termios()) { self.termios = termios }

    /// Puts new settings in force, data pending or not (n_tty_set_termios).
    package mutating func setTermios(_ new: Termios) { termios = new }

    /// Takes received bytes from `start` on (n_tty_receive_buf).
    /// - Returns: how many there was room for; the others are to be offered again after a read.
    package mutating func receive(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        queue.append(bytes, from: start)
    }

    /// Bytes a read could return: FIONREAD.
    package var readableCount: Int { queue.count }
    /// May bytes that wait upstream come in?
    package var hasRoom: Bool { queue.room > 0 }

    /// The bytes a blocking read is to wait for: MIN; in canonical mode one line, which is one byte here.
    package var minimum: Int { termios.lflag.contains(.ICANON) ? 1 : termios.minimum }
    /// The read timer, nanoseconds; 0 for none.
    package var timeNanoseconds: UInt64 { termios.lflag.contains(.ICANON) ? 0 : termios.timeNanoseconds }

    /// Does poll(2) report POLLIN with so many bytes there? (input_available_p: MIN counts only without TIME.)
    package func isReadable(available: Int) -> Bool {
        available >= (timeNanoseconds == 0 ? max(minimum, 1) : 1)
    }

    /// Moves up to `limit` bytes to a reader.
    /// - Returns: how many.
    package mutating func read(_ limit: Int, to destination: inout [UInt8]) -> Int {
        queue.move(limit, to: &destination)
    }

    /// Drops all unread input (n_tty_flush_buffer).
    package mutating func flushInput() { queue.removeAll() }
}
