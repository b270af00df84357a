import LineDiscipline
import SerialLine
import SystemPackage

// read(2) (n_tty_read).
extension VirtualTTY {
    /// A program reads up to `count` bytes.
    package mutating func read(_ id: RequestID, _ file: FileID, count: Int, nonBlocking: Bool) {
        beginEvent()
        let reply = Reply(id)
        guard let open = files[file], !open.isDead else { return answer(reply, .data(0..<0)) }
        if count == 0 { return answer(reply, .data(0..<0)) }
        if lent.isLent { return readFromDiscipline(reply, file, count) }
        // Only one reader runs at a time (n_tty's atomic_read_lock).
        if nonBlocking && requests.has(.read) { return fail(reply, .resourceTemporarilyUnavailable) }
        let read = ParkedRead(limit: min(count, Self.longestRead), timing: discipline.readTiming)
        if nonBlocking {
            if discipline.hasInput { return deliver(reply, read.limit) }
            if read.timing.firstByte == 0 { return answer(reply, .data(0..<0)) }
            return fail(reply, .resourceTemporarilyUnavailable)
        }
        if !requests.has(.read) && discipline.hasInput && read.timing.minimum <= 1 { return deliver(reply, read.limit) }
        requests.park(reply, file, read)
    }

    /// Answers a read with the available bytes.
    private mutating func deliver(_ reply: consuming Reply, _ limit: Int) {
        let start = effects.bytes.count
        collect(limit)
        answer(reply, .data(start..<effects.bytes.count))
    }

    /// Answers all reads that can be answered, in order.
    mutating func serveReads() {
        while let first = requests.first(ParkedRead.self), progress(first.id, first.request) {}
    }

    /// Continues the current read.
    /// - Returns: whether it was answered.
    private mutating func progress(_ id: RequestID, _ parked: ParkedRead) -> Bool {
        var read = parked
        let timing = read.timing
        if !read.started {
            read.started = true
            if let wait = timing.firstByte, wait > 0 { read.deadline = now + wait }
        }
        while discipline.hasInput {
            let start = effects.bytes.count
            effects.bytes += read.collected
            collect(read.limit - read.collected.count)
            let count = effects.bytes.count - start
            if count >= timing.minimum || count == read.limit {
                answer(requests.take(id), .data(start..<effects.bytes.count))
                return true
            }
            read.collected = Array(effects.bytes[start...])
            effects.bytes.removeSubrange(start...)
            if timing.betweenBytes > 0 { read.deadline = now + timing.betweenBytes }
        }
        if timing.firstByte == 0 || read.deadline.map({ $0 <= now }) ?? false {
            answerData(requests.take(id), read.collected)
            return true
        }
        requests.update(id) { (parked: inout ParkedRead) in parked = read }
        return false
    }

    /// Appends the bytes that a read returns now (in canonical mode: one line) to the effects, and refills from the
    /// backlog.
    private mutating func collect(_ limit: Int) {
        var left = limit
        while left > 0, discipline.hasInput {
            left -= discipline.read(left, to: &effects.bytes)
            let isLine = discipline.readsLines
            if !reception.backlog.isEmpty && discipline.wantsMore { refill() }
            if isLine { return }
        }
    }
}
