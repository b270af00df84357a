import LineDiscipline
import SerialLine
import SystemPackage

// close(2), hang-up and interrupts (tty_io.c tty_release, __tty_hangup; tty_port.c tty_port_close, tty_port_hangup).
extension VirtualTTY {
    /// The last descriptor of a file is closed. The last close of all waits for output, lowers the lines and ends the
    /// connection.
    package mutating func release(_ id: RequestID, _ file: FileID) {
        beginEvent()
        let released = files.remove(file)
        needsReview = true
        abandon(file)
        guard let released, !released.isDead, liveFiles == 0 else { return answer(id, .done) }
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
        if let reopenAt = closing.reopenAt {
            if reopenAt <= now { endClosing() }
            return
        }
        let isOver = !isLinkUp || closing.deadline.map { $0 <= now } ?? false
        guard isOver || isDrained(closing) else { return }
        // The discipline is gone when close(2) returns; it is told to hurry where nobody takes its output.
        if lent.isReturning { return isOver ? takeBack(discardingRest: true) : () }
        finishClosing()
    }

    private mutating func isDrained(_ closing: Closing) -> Bool {
        guard untransmitted == 0, isLineFree else { return false }
        if let barrier = closing.barrier { return !unresolved.contains(barrier) }
        return acceptedBytes == drainedBytes || unacknowledged() == 0
    }

    private mutating func finishClosing() {
        let late = queue.count + wire.dataCount
        if late > 0 { fault(.warning, "closed with \(late) bytes unsent: they are lost") }
        queue.flushData()
        discipline.reset()
        drainedBytes = acceptedBytes
        purge = nil
        lowerLines()
        // Opens that wait for carrier see the lines low for so long (tty_port_close_end).
        if opens.contains(where: { $0.isForCarrier }) {
            let reopenAt = now + serial.closeDelayNanoseconds
            closing?.reopenAt = reopenAt
            return progressClosing()
        }
        endClosing(graceful: late == 0)
    }

    private mutating func endClosing(graceful: Bool = true) {
        if let id = closing?.id { answer(id, .done) }
        closing = nil
        restartOpens()
        if opens.isEmpty && liveFiles == 0 { vacate(graceful: graceful) }
    }

    /// An open comes while output drains for nobody: the lines fall behind that output, and rise again.
    mutating func leaveClosing() {
        closing = nil
        discipline.reset()
        lowerLines()
        restartOpens()
    }

    /// The port is shut down (tty_port_shutdown): a break ends, and with HUPCL DTR and RTS fall.
    private mutating func lowerLines() {
        if timedBreak != nil { endTimedBreak() } else if isBreaking { setBreak(false) }
        if configuration.lines == .raise && discipline.termios.cflag.contains(.HUPCL) { setOutputs([]) }
    }

    /// Nobody uses the port any more: the connection ends, or lingers.
    private mutating func vacate(graceful: Bool) {
        guard configuration.connect == .open else { return }
        switch link {
        case .up where configuration.linger > 0: lingerUntil = now + configuration.linger
        case .up: disconnect(graceful: graceful)
        case .opening: disconnect(graceful: false)
        case .connecting:
            effects.list.append(.disconnect(graceful: false))
            link = .disconnecting
        case .lost: link = .down
        case .down, .disconnecting: break
        }
    }

    /// Who used the port, or waited for it, does so no longer; a close may still be at work.
    mutating func vacateIfUnused() {
        guard opens.isEmpty, liveFiles == 0, closing == nil else { return }
        if isLinkUp { lowerLines() }
        vacate(graceful: true)
    }

    /// Hangs up every open file for good (__tty_hangup): reads end, writes and ioctls fail, pollers wake. Opens that
    /// wait for carrier begin anew.
    /// - Parameter keepsWire: what is on its way to the socket still goes.
    mutating func hangUp(_ why: String, keepsWire: Bool = false) {
        if liveFiles > 0 { log(.notice, "hung up: \(why)") }
        let late = queue.count + (keepsWire ? 0 : wire.dataCount)
        if late > 0 { fault(.warning, "hung up with \(late) bytes unsent: they are lost") }
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
        queue.flushData()
        if !keepsWire { wire.flushData() }
        drainedBytes = acceptedBytes
        flushInput()
        discipline.reset()
        lowerLines()
        notifyAllPollers()
        restartOpens()
    }

    /// The program ends: everything is hung up, and nothing more is promised.
    package mutating func shutDown() {
        beginEvent()
        failAllOpens(.ioError)
        hangUp("this program ends", keepsWire: true)
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
            vacateIfUnused()
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
            // Settings are in force already, and RS485 mode will be once the server says so: only its word is missing.
            let setting = settings.remove(at: index)
            switch setting.kind {
            case .termios: answerIoctl(id)
            case .rs485: fail(id, .interrupted)
            }
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
            if opens.contains(where: { $0.wait == .close }) { leaveClosing() }
        }
    }
}
