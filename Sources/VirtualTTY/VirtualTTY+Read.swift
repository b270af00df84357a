import LineDiscipline
import SerialLine
import SystemPackage

// read(2) (n_tty_read).
extension VirtualTTY {
    /// No answer is longer: FUSE then asks no second time for the same read(2).
    static let longestRead = 65536

    /// A program reads up to `count` bytes.
    package mutating func read(
        _ id: RequestID, _ file: FileID, count: Int, nonBlocking: Bool
    ) {
        beginEvent()
        guard let open = files[file], !open.isDead else { return answer(id, .data(0..<0)) }
        if count == 0 { return answer(id, .data(0..<0)) }
        if lent.isLent { return readFromDiscipline(id, file, count) }
        // Only one reader runs at a time (n_tty's atomic_read_lock).
        if nonBlocking && !reads.isEmpty { return fail(id, .resourceTemporarilyUnavailable) }
        let read = ParkedRead(id: id, file: file, limit: min(count, Self.longestRead), timing: discipline.readTiming)
        if nonBlocking {
            if discipline.hasInput { return deliver(read) }
            if read.timing.firstByte == 0 { return answer(id, .data(0..<0)) }
            return fail(id, .resourceTemporarilyUnavailable)
        }
        if reads.isEmpty && discipline.hasInput && read.timing.minimum <= 1 { return deliver(read) }
        reads.append(read)
        serveReads()
    }

    /// Answers a read with what is there.
    private mutating func deliver(_ read: ParkedRead) {
        let start = effects.bytes.count
        collect(read.limit)
        answer(read.id, .data(start..<effects.bytes.count))
    }

    /// Answers every read that can be answered, in their order.
    mutating func serveReads() {
        while !reads.isEmpty, progressFirstRead() {}
    }

    /// Goes on with the read whose turn it is.
    /// - Returns: has it been answered?
    private mutating func progressFirstRead() -> Bool {
        if !reads[0].started {
            reads[0].started = true
            if let wait = reads[0].timing.firstByte, wait > 0 { reads[0].deadline = now + wait }
        }
        let timing = reads[0].timing
        while discipline.hasInput {
            let start = effects.bytes.count
            effects.bytes += reads[0].collected
            collect(reads[0].limit - reads[0].collected.count)
            let count = effects.bytes.count - start
            if count >= timing.minimum || count == reads[0].limit {
                answer(reads.removeFirst().id, .data(start..<effects.bytes.count))
                return true
            }
            reads[0].collected = Array(effects.bytes[start...])
            effects.bytes.removeSubrange(start...)
            if timing.betweenBytes > 0 { reads[0].deadline = now + timing.betweenBytes }
        }
        guard timing.firstByte == 0 || reads[0].deadline.map({ $0 <= now }) ?? false else { return false }
        answerCollected(reads.removeFirst())
        return true
    }

    /// Answers a read with what it has.
    mutating func answerCollected(_ read: ParkedRead) {
        let start = effects.bytes.count
        effects.bytes += read.collected
        answer(read.id, .data(start..<effects.bytes.count))
    }

    /// Appends what a reader gets now to the effects' bytes: of lines, one; and lets what waits upstream come in.
    private mutating func collect(_ limit: Int) {
        var left = limit
        while left > 0, discipline.hasInput {
            left -= discipline.read(left, to: &effects.bytes)
            let isLine = discipline.readsLines
            if !backlog.isEmpty && discipline.wantsMore { refill() }
            if isLine { return }
        }
    }

    mutating func interruptRead(_ index: Int) {
        let read = reads.remove(at: index)
        if read.collected.isEmpty { fail(read.id, .interrupted) } else { answerCollected(read) }
    }

    // From the remote port.

    /// Data from the remote port: this part of `bytes`.
    mutating func receiveData(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        counters.received &+= UInt64(range.count)
        guard purge == nil, !isBeforeOpening, discipline.termios.cflag.contains(.CREAD) else { return }
        if lent.isLent { return receiveForDiscipline(bytes, range) }
        var output = makeOutput()
        var start = range.lowerBound
        if closing != nil || (liveFiles == 0 && opens.isEmpty) {
            // A closing port keeps nothing; flow characters hold for what it still has to send.
            if closing != nil { discipline.receiveClosing(bytes, range, to: &output) }
            return put(&output)
        }
        if let flag = flagOfNextByte {
            flagOfNextByte = nil
            receive(bytes[start], flag, to: &output)
            start += 1
        }
        takeIn(bytes, start..<range.upperBound, to: &output)
        put(&output)
    }

    /// Gives bytes to the line discipline, behind those that wait for it.
    private mutating func takeIn(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to output: inout OutputBuffer
    ) {
        var start = range.lowerBound
        if backlog.isEmpty {
            start += discipline.receive(bytes.extracting(..<range.upperBound), from: start, to: &output)
        }
        guard start < range.upperBound else { return }
        backlog.append(bytes, start..<range.upperBound)
        discipline.lookAhead(bytes, start..<range.upperBound, to: &output)
        throttle()
    }

    /// A byte as if it had been received (tiocsti).
    mutating func inject(_ byte: borrowing Span<UInt8>) {
        var output = makeOutput()
        takeIn(byte, 0..<byte.count, to: &output)
        put(&output)
        serveReads()
        notifyPollers()
    }

    /// Asks the far end's peer to stop, and later to go on, where the far end cannot do it itself (uart_throttle).
    mutating func throttle() {
        if !isThrottled && !backlog.isEmpty && discipline.termios.throttlesHere {
            isThrottled = true
            sendFlowCharacter(.VSTOP)
        } else if isThrottled && backlog.isEmpty {
            isThrottled = false
            sendFlowCharacter(.VSTART)
        }
    }

    /// The far end reports the state of its line: breaks, and bytes that came with errors. Servers keep such a byte to
    /// themselves; one that says it is there (data ready) sends it next.
    mutating func receive(_ state: LineState) {
        counters.count(state)
        let isWrong = state.contains(.parity) || state.contains(.framing)
        // The kernel's disciplines get the bytes that came well; what they make of the others is to be done without.
        guard state.contains(.breakDetected) || isWrong, !lent.isLent else { return }
        let flag: ReceiveFlag =
            state.contains(.breakDetected) ? .breakCondition : state.contains(.parity) ? .parity : .frame
        if state.contains(.dataReady) {
            flagOfNextByte = flag
            return
        }
        // Without INPCK there is nothing to put in the place of a byte that is missing.
        guard flag == .breakCondition || discipline.termios.iflag.contains(.INPCK) else { return }
        guard liveFiles > 0 || !opens.isEmpty, closing == nil, purge == nil, !isBeforeOpening,
            discipline.termios.cflag.contains(.CREAD)
        else { return }
        var output = makeOutput()
        receive(0, flag, to: &output)
        put(&output)
    }

    private mutating func receive(_ byte: UInt8, _ flag: ReceiveFlag, to output: inout OutputBuffer) {
        if backlog.isEmpty && discipline.receive(byte, flag, to: &output) { return }
        backlog.append(byte, flag)
    }

    /// Lets what waits upstream into the line discipline, as far as there is room.
    mutating func refill() {
        var output = makeOutput()
        backlog.move(to: &discipline, &output)
        put(&output)
        throttle()
    }

    /// Drops all unread input.
    mutating func flushInput() {
        discipline.flushInput()
        backlog.removeAll()
        lent.received.removeAll()
        flagOfNextByte = nil
        throttle()
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
