import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// close(2) (tty_io.c tty_release; tty_port.c tty_port_close).
extension VirtualTTY {
    /// The last descriptor of a file is closed. The last close of all waits for output and lowers the lines; then the
    /// connection is not needed any longer.
    package mutating func release(_ id: RequestID, _ file: FileID) {
        beginEvent()
        let reply = Reply(id)
        let released = files.remove(file)
        // The kernel sends a release after all other requests of the file. One that does otherwise is answered, too.
        for other in requests.of(file) { interruptParked(other) }
        guard let released, !released.isDead, liveFiles == 0 else { return answer(reply, .done) }
        if discipline.isStoppedByProgram {
            transmission.flushQueue()
            discipline.resumeOutput()
        }
        closing = Closing(barrier: sendBarrier(), deadline: serial.closingWaitNanoseconds.map { now + $0 })
        requests.park(reply, file, ParkedClose())
        takeBack(discardingRest: false)
        flushInput()
    }

    /// Ends the last close once its output is out, or its time is over.
    /// - Returns: has it gone on?
    mutating func progressClosing() -> Bool {
        guard let closing else { return false }
        if let reopenAt = closing.reopenAt {
            guard reopenAt <= now else { return false }
            endClosing(isWhole: true)
            return true
        }
        let isOver = !remote.isUp || closing.deadline.map { $0 <= now } ?? false
        guard isOver || isDrained(closing) else { return false }
        // The discipline is gone when close(2) returns; it has to hurry if its output is not taken.
        if lent.isReturning {
            if isOver { takeBack(discardingRest: true) }
            return false
        }
        shutDownPort()
        return true
    }

    private mutating func isDrained(_ closing: Closing) -> Bool {
        guard transmission.untransmitted == 0, isLineFree else { return false }
        if let barrier = closing.barrier { return !remote.isOpen(barrier) }
        return transmission.isDrained || socket.unacknowledged() == 0
    }

    private mutating func shutDownPort() {
        let late = transmission.untransmitted
        if late > 0 { fault(.warning, "closed with \(late) bytes unsent: they are lost") }
        // On the wire, too: they are not sent for the program that opens the port next.
        transmission.flushData()
        discipline.reset()
        transmission.forgetUndrained()
        reception.purge = nil
        lowerLines()
        // Opens that wait for carrier see the lines low until then (tty_port_close_end).
        if requests.all(ParkedOpen.self).contains(where: { $0.request.isForCarrier }) {
            let reopenAt = now + serial.closeDelayNanoseconds
            closing?.reopenAt = reopenAt
        } else {
            endClosing(isWhole: late == 0)
        }
    }

    private mutating func endClosing(isWhole: Bool) {
        for close in requests.all(ParkedClose.self) { answer(requests.take(close.id), .done) }
        closing = nil
        restartCarrierWaits()
        if liveFiles == 0 && !requests.has(.open) { leavePort(isWhole: isWhole) }
    }

    /// No program uses the port any longer: the connection ends, or lingers.
    /// - Parameter isWhole: everything written went out; the server gets time to take it.
    private mutating func leavePort(isWhole: Bool) {
        isInUse = false
        guard configuration.connect == .open else { return }
        if remote.isUp && configuration.linger > 0 {
            remote.lingerUntil = now + configuration.linger
        } else {
            endConnection(graceful: isWhole)
        }
    }

    /// Programs that used the port, or waited for it, do so no longer: a hang-up, an open that was given up.
    /// - Returns: has the port been left?
    mutating func leaveIfUnused() -> Bool {
        guard isInUse, !requests.has(.open), closing == nil, liveFiles == 0 else { return false }
        if remote.isUp { lowerLines() }
        leavePort(isWhole: true)
        return true
    }

    /// The connection is not needed any longer, nor is the attempt to make one.
    mutating func endConnection(graceful: Bool) {
        let (stands, keepsWire) = (remote.takesCommands, graceful && remote.isUp)
        if keepsWire { stage() }
        remote.giveUp(graceful: graceful)
        if stands { dropConnectionState(keepsWire: keepsWire) }
    }

    /// What was said on a connection does not hold any longer.
    /// - Parameter keepsWire: what is on the wire still goes out.
    mutating func dropConnectionState(keepsWire: Bool = false) {
        loseRS485Requests()
        for timedBreak in requests.all(TimedBreak.self) {
            answerIoctl(requests.take(timedBreak.id))
            isBreaking = false
        }
        reception.forgetConnection()
        remote.forgetConnection()
        outputs.forgetTold()
        dropInputs()
        if !keepsWire {
            if let lost = transmission.end(unacknowledged: socket.unacknowledged()) { reportLoss(lost) }
        }
    }

    /// Ends a request early. What has been done so far counts.
    mutating func interruptParked(_ id: RequestID) {
        guard let parked = requests[id] else { return }
        switch parked {
        case .open, .drain, .modemWait: fail(requests.take(id), .interrupted)
        case .read(let read):
            if read.collected.isEmpty {
                fail(requests.take(id), .interrupted)
            } else {
                answerData(requests.take(id), read.collected)
            }
        case .write(let write):
            answer(requests.take(id), write.count > 0 ? .written(write.count) : .error(.interrupted))
        case .setting(let setting):
            // Settings are in force already, and RS485 mode will be once the server says so: only its word is missing.
            if case .rs485 = setting.what {
                fail(requests.take(id), .interrupted)
            } else {
                answerIoctl(requests.take(id))
            }
        case .disciplineCall(let call):
            // Its answer is on the way, and what it did is done. Only output that is not taken can make a change to
            // N_TTY wait: it goes on without that output.
            if call.isReset { takeBack(discardingRest: true) }
        case .timedBreak:
            let reply = endTimedBreak(id)
            fail(reply, .interrupted)
        case .close:
            // The closer goes on; output drains on behind it.
            answer(requests.take(id), .done)
        }
    }
}
