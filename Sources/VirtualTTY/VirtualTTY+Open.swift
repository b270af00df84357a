import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// open(2) (tty_io.c tty_open, tty_port.c tty_port_block_til_ready): first the connection, without which carrier is
// unknown, then DTR and RTS, then carrier.
extension VirtualTTY {
    /// A program opens the node. Answered once the remote port is connected, or has failed, and has carrier if the
    /// open waits for it.
    /// - Parameters:
    ///   - opener: the caller's thread.
    ///   - nonBlocking: O_NONBLOCK: the open does not wait for carrier.
    ///   - isAdministrator: returns whether the caller has CAP_SYS_ADMIN; called only if it matters.
    package mutating func open(
        _ id: RequestID, by opener: Int32 = 0, nonBlocking: Bool = false, isAdministrator: () -> Bool
    ) {
        beginEvent()
        let reply = Reply(id)
        if hasRetired { return fail(reply, .noSuchAddressOrDevice) }
        // TIOCEXCL ends with the last close, including the closes of hung-up files.
        if files.isEmpty && !requests.has(.open) { exclusive = false }
        if exclusive && !isAdministrator() { return fail(reply, .resourceBusy) }
        isInUse = true
        remote.lingerUntil = nil
        requests.park(reply, files.makeID(), ParkedOpen(opener: opener, nonBlocking: nonBlocking))
        // A close(2) in progress has the port to itself. If it has returned, its output is still draining: the lines
        // fall behind that output, and rise again.
        if closing != nil && !requests.has(.close) && link != .disconnecting { leaveClosing() }
        // A program is waiting, so the next attempt starts at once.
        if case .lost = link, closing == nil { startConnecting() }
    }

    /// An open arrives while output drains for a program that has closed the port.
    mutating func leaveClosing() {
        closing = nil
        discipline.reset()
        lowerLines()
    }

    /// Begins to connect, with the first server.
    mutating func startConnecting() {
        if !remote.startConnecting(configuration.connectTimeout, now: now) { passFailed() }
    }

    /// All servers were tried: opens fail. The connection is retried later if it is held.
    mutating func passFailed() {
        let failure = remote.takeFailure()
        fault(remote.attempts == 1 ? .error : .debug, failure.reason)
        let isHeld = isHeld
        failOpens(failure.error)
        if isHeld || configuration.connect == .always { remote.retryLater(now: now) } else { remote.down() }
    }

    /// Continues the pending opens.
    /// - Returns: whether one has changed.
    mutating func serveOpens() -> Bool {
        guard requests.has(.open), closing == nil || link == .disconnecting else { return false }
        var hasChanged = false
        for open in requests.all(ParkedOpen.self) where serve(open.id, open.file, open.request) { hasChanged = true }
        return hasChanged
    }

    private mutating func serve(_ id: RequestID, _ file: FileID, _ open: ParkedOpen) -> Bool {
        switch open.wait {
        case .turn, .link:
            if remote.isUp && closing == nil {
                begin(id, file, open)
                return true
            }
            guard open.wait == .turn else { return false }
            let deadline = now + configuration.connectTimeout
            requests.update(id) { (open: inout ParkedOpen) in open.wait = .link(deadline: deadline) }
            return true
        case .carrier(let unreportedUntil):
            guard remote.isUp, inputs.hasCarrier || (!inputs.isReported && unreportedUntil <= now) else { return false }
            complete(id, file, open)
            if inputs.hasCarrier && outputs.levels.contains(.dtr) { inputs.carrierCame() }
            return true
        }
    }

    /// The connection is up: raises DTR and RTS, and waits for carrier unless the open or the current CLOCAL prevents
    /// that.
    private mutating func begin(_ id: RequestID, _ file: FileID, _ open: ParkedOpen) {
        let isLocal = open.nonBlocking || discipline.termios.cflag.contains(.CLOCAL)
        if isLocal || inputs.hasCarrier { return complete(id, file, open) }
        raiseLines()
        // A server that does not report its lines counts as one without a carrier line (serial_port_carrier_raised).
        let unreportedUntil = now + ComPortClient.answerWithin
        requests.update(id) { (open: inout ParkedOpen) in open.wait = .carrier(unreportedUntil: unreportedUntil) }
    }

    /// The open has succeeded. Every open raises DTR and RTS again.
    private mutating func complete(_ id: RequestID, _ file: FileID, _ open: ParkedOpen) {
        let isFirst = liveFiles == 0
        files.insert(OpenFile(id: file, opener: open.opener))
        answer(requests.take(id), .opened(file))
        raiseLines()
        if isFirst { inputs.begin(dtrIsUp: outputs.levels.contains(.dtr), &time) }
    }

    private mutating func raiseLines() {
        if configuration.lines == .raise && !discipline.termios.isB0 { setOutputs(OutputLines.all) }
    }

    /// The next moment at which an open must be checked.
    mutating func openDeadline() -> MonotonicTime? {
        guard requests.has(.open) else { return nil }
        var earliest: MonotonicTime?
        for open in requests.all(ParkedOpen.self) {
            switch open.request.wait {
            case .link(let deadline): earliest = sooner(earliest, deadline)
            case .carrier(let unreportedUntil) where remote.isUp && !inputs.isReported && closing == nil:
                earliest = sooner(earliest, unreportedUntil)
            case .carrier, .turn: break
            }
        }
        return earliest
    }

    /// Fails the opens that wait for the connection.
    mutating func failOpens(_ error: Errno) {
        for open in requests.all(ParkedOpen.self) where open.request.isForLink || open.request.wait == .turn {
            fail(requests.take(open.id), error)
        }
    }
}
