import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// open(2) (tty_io.c tty_open, tty_port.c tty_port_block_til_ready): first the connection, without which nobody knows of
// carrier, then DTR and RTS, then carrier.
extension VirtualTTY {
    /// A program opens the node. Answered once the remote port is there, or is not, and has carrier where that is
    /// waited for.
    /// - Parameters:
    ///   - opener: the caller's thread.
    ///   - nonBlocking: O_NONBLOCK: carrier is not waited for.
    ///   - isAdministrator: has the caller CAP_SYS_ADMIN? Asked only where it matters.
    package mutating func open(
        _ id: RequestID, by opener: Int32 = 0, nonBlocking: Bool = false, isAdministrator: () -> Bool
    ) {
        beginEvent()
        if hasRetired { return fail(id, .noSuchAddressOrDevice) }
        // TIOCEXCL ends with the last close, hung-up files' too.
        if files.isEmpty && opens.isEmpty { exclusive = false }
        if exclusive && !isAdministrator() { return fail(id, .resourceBusy) }
        let open = ParkedOpen(
            id: id, file: FileID(rawValue: nextFile), opener: opener, nonBlocking: nonBlocking, wait: .close)
        nextFile &+= 1
        // The closer has the port to itself. Where nobody waits for the close any more, its output drains on behind.
        if closing?.id != nil && link != .disconnecting { return opens.append(open) }
        if closing != nil && link != .disconnecting { leaveClosing() }
        proceed(open)
    }

    /// Goes on with an open that no close is in the way of.
    private mutating func proceed(_ open: ParkedOpen) {
        if isLinkUp { return begin(open) }
        var open = open
        open.wait = .link(deadline: now + configuration.connectTimeout)
        opens.append(open)
        if link == .down {
            // What failed before was said then.
            attempts = 0
            startConnecting()
        }
    }

    /// The connection stands: raises DTR and RTS, and waits for carrier where that is to be (CLOCAL counts as it is
    /// now).
    mutating func begin(_ open: ParkedOpen) {
        let isLocal = open.nonBlocking || discipline.termios.cflag.contains(.CLOCAL)
        if isLocal || inputs.contains(.dcd) { return complete(open) }
        raiseLines()
        var open = open
        open.wait = .carrier(unreportedUntil: now + ComPortClient.answerWithin)
        opens.append(open)
    }

    /// The open has succeeded. Every open raises DTR and RTS again.
    private mutating func complete(_ open: ParkedOpen) {
        files.insert(OpenFile(id: open.file, opener: open.opener))
        needsReview = true
        answer(open.id, .opened(open.file))
        raiseLines()
    }

    private mutating func raiseLines() {
        if configuration.lines == .raise && !discipline.termios.isB0 { setOutputs(outputs.union([.dtr, .rts])) }
    }

    /// Opens that wait for a close, or for carrier on a port that was shut down, begin anew.
    mutating func restartOpens() {
        guard closing == nil else { return }
        let isUp = isLinkUp
        let waiting = opens.filter { isUp || !$0.isForLink }
        opens.removeAll { isUp || !$0.isForLink }
        for open in waiting { proceed(open) }
    }

    /// The connection is up: every open goes on.
    mutating func beginOpens() {
        guard closing == nil else { return }
        let waiting = opens
        opens.removeAll()
        for open in waiting { begin(open) }
    }

    /// Lets in who waits for carrier, where it is there, or where the server says nothing of its lines: such a port
    /// counts as one without a carrier line, as serial_port_carrier_raised has it.
    mutating func serveCarrierWaits() {
        guard isLinkUp, closing == nil, opens.contains(where: { $0.isForCarrier }) else { return }
        let now = now
        let hasCarrier = inputs.contains(.dcd)
        let isReported = inputsReported
        let ready = opens.filter { open in
            guard case .carrier(let unreportedUntil) = open.wait else { return false }
            return hasCarrier || (!isReported && unreportedUntil <= now)
        }
        opens.removeAll { open in ready.contains { $0.id == open.id } }
        for open in ready { complete(open) }
    }

    /// The next time one of the opens is to be looked at.
    func deadline(of open: ParkedOpen) -> MonotonicTime? {
        switch open.wait {
        case .link(let deadline): deadline
        case .carrier(let unreportedUntil) where isLinkUp && !inputsReported && closing == nil: unreportedUntil
        case .carrier, .close: nil
        }
    }

    /// A file is open, or an open waits for carrier: a lost connection is made again.
    var isHeld: Bool { liveFiles > 0 || opens.contains { $0.isForCarrier } }

    /// Opens that wait for the connection fail.
    mutating func failOpens(_ error: Errno) {
        for open in opens where open.isForLink { fail(open.id, error) }
        opens.removeAll { $0.isForLink }
    }

    /// All opens fail.
    mutating func failAllOpens(_ error: Errno) {
        for open in opens { fail(open.id, error) }
        opens.removeAll()
    }

    mutating func expireOpens() {
        serveCarrierWaits()
        let now = now
        let late = opens.filter { open in
            if case .link(let deadline) = open.wait { deadline <= now } else { false }
        }
        guard !late.isEmpty else { return }
        if case .opening = link { return openingTimedOut() }
        opens.removeAll { open in late.contains { $0.id == open.id } }
        for open in late { fail(open.id, .timedOut) }
        fault(.error, "no connection within \(configuration.connectTimeout / .milliseconds(1)) ms")
        vacateIfUnused()
    }
}

extension ParkedOpen {
    var isForLink: Bool { if case .link = wait { true } else { false } }
    var isForCarrier: Bool { if case .carrier = wait { true } else { false } }
}
