import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// close(2) (tty_io.c tty_release; tty_port.c tty_port_close).
extension VirtualTTY {
    /// The last descriptor of a file is closed. The last close of the port waits for output and lowers the lines;
    /// after it the connection is no longer needed.
    package mutating func release(_ id: RequestID, _ file: FileID) {
        beginEvent()
        let reply = Reply(id)
        let released = files.remove(file)
        // The kernel sends a release after all other requests of the file. Requests of a kernel that does not are
        // answered as well.
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

    /// Finishes the last close once its output is sent, or its time is over.
    /// - Returns: whether it made progress.
    mutating func progressClosing() -> Bool {
        guard let closing else { return false }
        if let reopenAt = closing.reopenAt {
            guard reopenAt <= now else { return false }
            endClosing(isWhole: true)
            return true
        }
        let isOver = !remote.isUp || closing.deadline.map { $0 <= now } ?? false
        guard isOver || isDrained(closing) else { return false }
        // The discipline must be gone when close(2) returns; if its output is not taken, that output is discarded.
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
        // The bytes on the wire, too: they must not be sent for the program that opens the port next.
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
    /// - Parameter isWhole: everything written was sent; the server gets time to take it.
    private mutating func leavePort(isWhole: Bool) {
        isInUse = false
        guard configuration.connect == .open else { return }
        if remote.isUp && configuration.linger > 0 {
            remote.lingerUntil = now + configuration.linger
        } else {
            endConnection(graceful: isWhole)
        }
    }

    /// Leaves the port if no file is open and no open is pending, after a hang-up or an open that was given up.
    /// - Returns: whether the port was left.
    mutating func leaveIfUnused() -> Bool {
        guard isInUse, !requests.has(.open), closing == nil, liveFiles == 0 else { return false }
        if remote.isUp { lowerLines() }
        leavePort(isWhole: true)
        return true
    }

    /// Ends the connection, or the attempt to make one.
    mutating func endConnection(graceful: Bool) {
        let (stands, keepsWire) = (remote.takesCommands, graceful && remote.isUp)
        if keepsWire { stage() }
        remote.giveUp(graceful: graceful)
        if stands { dropConnectionState(keepsWire: keepsWire) }
    }

    /// Forgets the negotiated state of the connection that has ended.
    /// - Parameter keepsWire: bytes on the wire are still sent.
    mutating func dropConnectionState(keepsWire: Bool = false) {
        loseRS485Requests()
        for timedBreak in requests.all(TimedBreak.self) {
            answerIoctl(requests.take(timedBreak.id))
            isBreaking = false
        }
        reception.forgetConnection()
        remote.forgetConnection()
        outputs.forgetSent()
        dropInputs()
        if !keepsWire {
            if let lost = transmission.end(unacknowledged: socket.unacknowledged()) { reportLoss(lost) }
        }
    }

    /// Ends a request early. Effects that it already had remain.
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
            // The settings are active already, and RS485 mode will be once the server confirms it: only the answer is
            // missing.
            if case .rs485 = setting.what {
                fail(requests.take(id), .interrupted)
            } else {
                answerIoctl(requests.take(id))
            }
        case .disciplineCall(let call):
            // The answer is on the way, and the call was carried out. Only a change to N_TTY can be waiting, for
            // output that is not taken: that output is discarded.
            if call.isReset { takeBack(discardingRest: true) }
        case .timedBreak:
            let reply = endTimedBreak(id)
            fail(reply, .interrupted)
        case .close:
            // close(2) returns; the output continues to drain.
            answer(requests.take(id), .done)
        }
    }
}
