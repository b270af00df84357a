import LineDiscipline
import SerialLine
import SystemPackage

// read(2) (n_tty_read).
extension VirtualTTY {
    /// No answer is longer: FUSE then asks no second time for the same read(2).
    static let longestRead = 65536

    /// Bytes that are there for a reader.
    var available: Int { discipline.readableCount + backlog.count }

    /// A program reads up to `count` bytes.
    package mutating func read(
        _ id: RequestID, _ file: FileID, count: Int, nonBlocking: Bool
    ) {
        beginEvent()
        guard let open = files[file], !open.isDead else { return answer(id, .data(0..<0)) }
        if count == 0 { return answer(id, .data(0..<0)) }
        if lent.isLent { return readFromDiscipline(id, file, count) }
        let minimum = discipline.minimum
        let time = discipline.timeNanoseconds
        if nonBlocking {
            // Only one reader runs at a time (n_tty's atomic_read_lock).
            if !reads.isEmpty { return fail(id, .resourceTemporarilyUnavailable) }
            if available > 0 { return deliver(id, min(count, Self.longestRead)) }
            if minimum == 0 && time == 0 { return answer(id, .data(0..<0)) }
            return fail(id, .resourceTemporarilyUnavailable)
        }
        reads.append(
            ParkedRead(
                id: id, file: file, limit: min(count, Self.longestRead), minimum: min(minimum, count), time: time))
        serveReads()
    }

    /// Answers every read that can be answered, in their order.
    mutating func serveReads() {
        while !reads.isEmpty, let read = readyRead() {
            reads.removeFirst()
            deliver(read.id, read.limit)
        }
    }

    /// The first read in line, if it is to be answered now; else its timer is set.
    private mutating func readyRead() -> ParkedRead? {
        let there = available
        var read = reads[0]
        let isFirstLook = !read.started
        read.started = true
        defer { if !reads.isEmpty { reads[0] = read } }
        if there >= max(read.minimum, 1) { return read }
        if read.minimum == 0 {
            // MIN = 0: TIME limits the whole read.
            if read.time == 0 { return read }
            if isFirstLook { read.deadline = now + read.time }
        } else if read.time > 0 && there > read.seen {
            // MIN > 0: TIME runs from each byte to the next.
            read.deadline = now + read.time
            read.seen = there
        }
        if let deadline = read.deadline, deadline <= now { return read }
        return nil
    }

    /// Answers a read with what is there.
    private mutating func deliver(_ id: RequestID, _ limit: Int) {
        let start = effects.bytes.count
        var left = limit
        while left > 0 {
            left -= discipline.read(left, to: &effects.bytes)
            if backlog.isEmpty { break }
            backlog.move(to: &discipline)
        }
        answer(id, .data(start..<effects.bytes.count))
    }

    mutating func interruptRead(_ index: Int) {
        let read = reads.remove(at: index)
        if read.started && available > 0 { deliver(read.id, read.limit) } else { fail(read.id, .interrupted) }
    }

    /// Data from the remote port: this part of `bytes`.
    mutating func receiveData(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        counters.received &+= UInt64(range.count)
        guard liveFiles > 0 || !opens.isEmpty, purge == nil, discipline.termios.cflag.contains(.CREAD) else { return }
        if lent.isLent { return receiveForDiscipline(bytes, range) }
        var start = range.lowerBound
        if backlog.isEmpty {
            start += discipline.receive(bytes.extracting(range), from: 0)
        }
        if start < range.upperBound { backlog.append(bytes, start..<range.upperBound) }
    }

    /// Drops all unread input.
    mutating func flushInput() {
        discipline.flushInput()
        backlog.removeAll()
        lent.received.removeAll()
        // The bytes a read's timer ran from are gone: it must not end with none of them, which would read as the end.
        if let read = reads.first, read.minimum > 0 {
            reads[0].deadline = nil
            reads[0].seen = 0
        }
    }

    /// May more be received? Not while the programs are far behind; farther, while an answer is waited for that may
    /// stand behind the data.
    /// - Parameter isPausing: receiving has paused, and is to go on only when it is worth it.
    package func wantsToReceive(isPausing: Bool) -> Bool {
        let waiting = backlog.count + lent.received.count
        if !unresolved.isEmpty { return waiting < Backlog.hardLimit }
        return waiting < (isPausing ? Backlog.resumeLimit : Backlog.softLimit)
    }
}
