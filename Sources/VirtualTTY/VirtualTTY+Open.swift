import LineDiscipline
import SerialLine
import SystemPackage

// open(2), close(2) and hang-up (tty_io.c, tty_port.c).
extension VirtualTTY {
    /// A program opens the node. Answered once the remote port is there, or is not.
    /// - Parameters:
    ///   - opener: the caller's thread.
    ///   - isAdministrator: has the caller CAP_SYS_ADMIN? Asked only where it matters.
    package mutating func open(_ id: RequestID, by opener: Int32 = 0, isAdministrator: () -> Bool) {
        beginEvent()
        if hasRetired { return fail(id, .noSuchAddressOrDevice) }
        if exclusive && liveFiles > 0 && !isAdministrator() { return fail(id, .resourceBusy) }
        let file = FileID(rawValue: nextFile)
        nextFile &+= 1
        // A close still under way gives way to the open: the connection is kept.
        if closing != nil && link != .disconnecting { endClosing() }
        if isLinkUp {
            completeOpen(id, file, opener)
            return
        }
        opens.append(
            ParkedOpen(id: id, file: file, opener: opener, deadline: now + configuration.connectTimeout))
        if link == .down {
            // What failed before was said then.
            attempts = 0
            startConnecting()
        }
    }

    /// The open has succeeded. Every open raises DTR and RTS again (tty_port_block_til_ready).
    mutating func completeOpen(_ id: RequestID, _ file: FileID, _ opener: Int32) {
        files.insert(OpenFile(id: file, opener: opener))
        needsReview = true
        answer(id, .opened(file))
        if configuration.lines == .raise && !discipline.termios.isB0 { setOutputs(outputs.union([.dtr, .rts])) }
    }

    /// All parked opens fail.
    mutating func failOpens(_ error: Errno) {
        for open in opens { fail(open.id, error) }
        opens.removeAll()
    }

    /// The last descriptor of a file is closed. The last close of all waits for output, lowers the lines and ends the
    /// connection (tty_port_close).
    package mutating func release(_ id: RequestID, _ file: FileID) {
        beginEvent()
        let released = files.remove(file)
        needsReview = true
        abandon(file)
        guard let released, !released.isDead, liveFiles == 0, opens.isEmpty else {
            if files.isEmpty && opens.isEmpty { exclusive = false }
            return answer(id, .done)
        }
        exclusive = exclusive && !files.isEmpty
        if discipline.isStoppedByProgram {
            queue.flushData()
            discipline.resumeOutput()
        }
        closing = Closing(
            id: id, barrier: sendBarrier(), deadline: serial.closingWaitNanoseconds.map { now + $0 })
        takeBack(discardingRest: false)
        flushInput()
        progressClosing()
    }

    /// Requests of a file that is gone. The kernel sends release after all others, so there are none; a kernel that
    /// does otherwise is answered all the same.
    private mutating func abandon(_ file: FileID) {
        for id in parkedRequests(of: file) { interrupt(id) }
    }

    private func parkedRequests(of file: FileID) -> [RequestID] {
        reads.filter { $0.file == file }.map(\.id) + writes.filter { $0.file == file }.map(\.id)
            + drains.filter { $0.file == file }.map(\.id) + settings.filter { $0.file == file }.map(\.id)
            + modemWaits.filter { $0.file == file }.map(\.id) + lent.calls.filter { $0.file == file }.map(\.id)
            + (timedBreak?.file == file ? [timedBreak?.id].compactMap(\.self) : [])
    }

    /// Ends the last close once its output is out, or its time is over.
    mutating func progressClosing() {
        guard let closing else { return }
        let isTaken = closing.barrier.map { !unresolved.contains($0) } ?? true
        let isDrained = isTaken && untransmitted == 0 && isLineFree
        let isOver = !isLinkUp || closing.deadline.map { $0 <= now } ?? false
        guard isDrained || isOver else { return }
        // The discipline is gone when close(2) returns; it is told to hurry where nobody takes its output.
        if lent.isReturning { return isOver ? takeBack(discardingRest: true) : () }
        finishClosing()
    }

    private mutating func finishClosing() {
        let id = closing?.id
        closing = nil
        let late = queue.count + wire.dataCount
        if late > 0 { fault(.warning, "closed with \(late) bytes unsent: they are lost") }
        queue.flushData()
        discipline.reset()
        drainedBytes = acceptedBytes
        purge = nil
        if timedBreak != nil { endTimedBreak() }
        if configuration.lines == .raise && discipline.termios.cflag.contains(.HUPCL) { setOutputs([]) }
        if let id { answer(id, .done) }
        guard configuration.connect == .open else { return }
        switch link {
        case .up where configuration.linger > 0: lingerUntil = now + configuration.linger
        case .up: disconnect(graceful: late == 0)
        case .opening, .connecting: disconnect(graceful: false)
        case .lost: link = .down
        case .down, .disconnecting: break
        }
    }

    /// A new open puts an end to a close under way.
    private mutating func endClosing() {
        if let id = closing?.id { answer(id, .done) }
        closing = nil
    }

    /// Hangs up every open file for good (__tty_hangup): reads end, writes and ioctls fail, pollers wake.
    mutating func hangUp(_ why: String) {
        if liveFiles > 0 { log(.notice, "hung up: \(why)") }
        hangUpDiscipline()
        files.updateAll { $0.isDead = true }
        needsReview = true
        for read in reads { answerCollected(read) }
        for write in writes {
            let count = write.before + write.offset
            answer(write.id, count > 0 ? .written(count) : .error(.ioError))
        }
        for drain in drains { fail(drain.id, .ioError) }
        for setting in settings { fail(setting.id, .ioError) }
        for wait in modemWaits { fail(wait.id, .ioError) }
        if let timedBreak { fail(timedBreak.id, .ioError) }
        reads.removeAll()
        writes.removeAll()
        drains.removeAll()
        settings.removeAll()
        modemWaits.removeAll()
        timedBreak = nil
        queue.flushData()
        backlog.removeAll()
        discipline.reset()
        if configuration.lines == .raise && discipline.termios.cflag.contains(.HUPCL) { setOutputs([]) }
        notifyAllPollers()
    }

    /// The program ends: everything is hung up, and nothing more is promised.
    package mutating func shutDown() {
        beginEvent()
        hangUp("this program ends")
        failOpens(.ioError)
        if let id = closing?.id { answer(id, .done) }
        closing = nil
        configuration.connect = .open
        if link != .down && link != .disconnecting { disconnect(graceful: true) }
    }

    /// The kernel asks to end a request early: a signal came (FUSE_INTERRUPT). What has been done so far counts.
    package mutating func interrupt(_ id: RequestID) {
        beginEvent()
        if let index = opens.firstIndex(where: { $0.id == id }) {
            opens.remove(at: index)
            fail(id, .interrupted)
            if opens.isEmpty && liveFiles == 0 && configuration.connect == .open { abandonConnection() }
        } else if let index = reads.firstIndex(where: { $0.id == id }) {
            interruptRead(index)
            serveReads()
        } else if let index = writes.firstIndex(where: { $0.id == id }) {
            let write = writes.remove(at: index)
            let count = write.before + write.offset
            answer(id, count > 0 ? .written(count) : .error(.interrupted))
            notifyPollers()
        } else if let index = drains.firstIndex(where: { $0.id == id }) {
            drains.remove(at: index)
            fail(id, .interrupted)
        } else if let index = settings.firstIndex(where: { $0.id == id }) {
            // The settings are in force already; only the server's word is missing.
            let setting = settings.remove(at: index)
            if case .termios = setting.kind { answerIoctl(id) } else { fail(id, .interrupted) }
        } else if let index = modemWaits.firstIndex(where: { $0.id == id }) {
            modemWaits.remove(at: index)
            fail(id, .interrupted)
        } else if lent.calls.contains(where: { $0.id == id }) {
            interruptDisciplineCall(id)
        } else if timedBreak?.id == id {
            endTimedBreak()
            fail(id, .interrupted)
            serveWrites()
            progressDrains()
            notifyPollers()
        } else if closing?.id == id {
            // The closer goes on; output drains on behind it.
            closing?.id = nil
            answer(id, .done)
        }
    }
}
