import LineDiscipline
import SerialLine
import SystemPackage

// Hang-up (tty_io.c __tty_hangup; tty_port.c tty_port_hangup).
extension VirtualTTY {
    /// Hangs up every open file permanently: reads end, writes and ioctls fail, pollers wake. Opens that wait for
    /// carrier start anew.
    /// - Parameter keepsWire: bytes on their way to the socket are still sent.
    mutating func hangUp(_ why: String, keepsWire: Bool = false) {
        if liveFiles > 0 { log(.notice, "hung up: \(why)") }
        let late = transmission.untransmitted - (keepsWire ? transmission.wire.dataCount : 0)
        if late > 0 { fault(.warning, "hung up with \(late) bytes unsent: they are lost") }
        serveModemWaits()
        hangUpDiscipline()
        files.updateAll { $0.isDead = true }
        for read in requests.all(ParkedRead.self) { answerData(requests.take(read.id), read.request.collected) }
        for write in requests.all(ParkedWrite.self) {
            let count = write.request.count
            answer(requests.take(write.id), count > 0 ? .written(count) : .error(.ioError))
        }
        for drain in requests.all(ParkedDrain.self) { fail(requests.take(drain.id), .ioError) }
        for setting in requests.all(ParkedSetting.self) { fail(requests.take(setting.id), .ioError) }
        for wait in requests.all(ParkedModemWait.self) { fail(requests.take(wait.id), .ioError) }
        for timedBreak in requests.all(TimedBreak.self) {
            let reply = endTimedBreak(timedBreak.id)
            fail(reply, .ioError)
        }
        if keepsWire { transmission.flushQueue() } else { transmission.flushData() }
        transmission.forgetUndrained()
        flushInput()
        discipline.reset()
        lowerLines()
        notifyAllPollers()
        restartCarrierWaits()
    }

    /// The port is shut down (tty_port_shutdown): a break ends, and with HUPCL DTR and RTS fall.
    mutating func lowerLines() {
        if isBreaking { setBreak(false) }
        if configuration.lines == .raise && discipline.termios.cflag.contains(.HUPCL) { setOutputs([]) }
    }

    /// A timed break ends, before the data that was written meanwhile.
    mutating func endTimedBreak(_ id: RequestID) -> Reply {
        setBreak(false)
        // Before held data is released.
        stage()
        return requests.take(id)
    }

    /// Answers TIOCMIWAIT if one of its lines has changed.
    mutating func serveModemWaits() {
        guard requests.has(.modemWait) else { return }
        for wait in requests.all(ParkedModemWait.self) where wait.request.isOver(counters) {
            answerIoctl(requests.take(wait.id))
        }
    }

    /// Opens that wait for carrier on a port that was shut down start anew.
    mutating func restartCarrierWaits() {
        for open in requests.all(ParkedOpen.self) where open.request.isForCarrier {
            requests.update(open.id) { (open: inout ParkedOpen) in open.wait = .turn }
        }
    }

    private mutating func notifyAllPollers() {
        for file in files.list { effects.list.append(.notifyPoll(file.id)) }
        files.updateAll { $0.pollArmed = false }
    }
}
