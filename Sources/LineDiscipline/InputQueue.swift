import SerialLine

/// N_TTY's read buffer: a ring of 4096 bytes, some of them marked as the end of a line. Positions only grow, and are
/// taken modulo the size; a flush resets them to 0.
struct InputQueue: Sendable {
    /// N_TTY_BUF_SIZE.
    static let size = 4096

    private var storage = [UInt8](repeating: 0, count: size)
    /// One bit for each place: set if a line ends there (read_flags).
    private var lineEnds = [UInt64](repeating: 0, count: size / 64)

    /// The position of the next byte to write.
    var head = 0
    /// A non-canonical read may take bytes before this position.
    var commitHead = 0
    /// Lines before this position are complete.
    var canonHead = 0
    /// The next byte to read.
    private(set) var tail = 0

    /// Number of bytes, including those of an incomplete line.
    var count: Int { head - tail }

    subscript(_ position: Int) -> UInt8 { storage[Self.place(position)] }

    /// The index of a position. Some of the kernel's comparisons use indexes instead of positions: there a full ring
    /// looks empty.
    static func place(_ position: Int) -> Int { position & (size - 1) }

    /// Appends a byte; if the ring is full, the byte replaces the last one. (The kernel counts past the ring if
    /// PARMRK expands a byte in a line that is too long.)
    mutating func put(_ byte: UInt8) {
        if count == Self.size { head -= 1 }
        storage[Self.place(head)] = byte
        head += 1
    }

    /// Removes the last byte. (In non-canonical mode the kernel can still return it to a read, and its count becomes
    /// −1.)
    mutating func dropLast() {
        head -= 1
        commitHead = min(commitHead, head)
    }

    /// Appends bytes unchanged; there must be room.
    mutating func put(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        let start = Self.place(head)
        let first = min(range.count, Self.size - start)
        let wrap = range.lowerBound + first
        storage.replace(at: start, with: bytes.extracting(range.lowerBound..<wrap))
        storage.replace(at: 0, with: bytes.extracting(wrap..<range.upperBound))
        head += range.count
    }

    /// Ends a line with this byte.
    mutating func putLineEnd(_ byte: UInt8) {
        put(byte)
        markLineEnd(at: head - 1)
        canonHead = head
    }

    mutating func markLineEnd(at position: Int) {
        let place = Self.place(position)
        lineEnds[place / 64] |= 1 << UInt64(place % 64)
    }

    private mutating func unmarkLineEnd(at position: Int) {
        let place = Self.place(position)
        lineEnds[place / 64] &= ~(1 << UInt64(place % 64))
    }

    private func isLineEnd(_ position: Int) -> Bool {
        let place = Self.place(position)
        return lineEnds[place / 64] >> UInt64(place % 64) & 1 != 0
    }

    /// Whether an end of file is at this position: a line end that is not a byte of the line.
    private func isEndOfFile(_ position: Int) -> Bool { isLineEnd(position) && self[position] == .disabled }

    mutating func forgetLineEnds() {
        for index in lineEnds.indices { lineEnds[index] = 0 }
    }

    mutating func removeAll() {
        head = 0
        commitHead = 0
        canonHead = 0
        tail = 0
        forgetLineEnds()
    }

    /// Bytes of complete lines, not counting ends of file (inq_canon).
    var canonicalCount: Int {
        var count = canonHead - tail
        guard Self.place(canonHead) != Self.place(tail) else { return count }
        var position = tail
        while let end = firstLineEnd(in: position..<canonHead) {
            if self[end] == .disabled { count -= 1 }
            position = end + 1
        }
        return count
    }

    private func firstLineEnd(in range: Range<Int>) -> Int? {
        var position = range.lowerBound
        while position < range.upperBound {
            let place = Self.place(position)
            let word = lineEnds[place / 64] >> UInt64(place % 64)
            if word != 0 {
                let found = position + word.trailingZeroBitCount
                return found < range.upperBound ? found : nil
            }
            position += 64 - place % 64
        }
        return nil
    }

    /// Moves bytes to a reader, unchanged.
    mutating func move(_ count: Int, to destination: inout [UInt8]) {
        let start = Self.place(tail)
        let first = min(count, Self.size - start)
        destination.append(contentsOf: storage.span, start..<start + first)
        destination.append(contentsOf: storage.span, 0..<count - first)
        tail += count
    }

    /// Moves one line, or its first `limit` bytes, to a reader (canon_copy_from_read_buf). An end of file is removed
    /// together with the last byte before it (canon_skip_eof).
    mutating func moveLine(_ limit: Int, to destination: inout [UInt8]) {
        let range = tail..<tail + min(limit, canonHead - tail)
        if let end = firstLineEnd(in: range) {
            let isEndOfFile = isEndOfFile(end)
            move(end - tail + (isEndOfFile ? 0 : 1), to: &destination)
            if isEndOfFile { tail += 1 }
            unmarkLineEnd(at: end)
            return
        }
        move(range.count, to: &destination)
        if tail != canonHead && isEndOfFile(tail) {
            unmarkLineEnd(at: tail)
            tail += 1
        }
    }
}
