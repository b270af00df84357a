import LineDiscipline
import SerialLine
import SystemPackage

// TIOCSETD to a discipline that the kernel provides and this port does not (tty_set_ldisc). The line is lent to it:
// the I/O layer carries out each `callDiscipline` in turn, moves bytes both ways, and answers each call.
extension VirtualTTY {
    /// Number of possible disciplines (NR_LDISCS).
    static let disciplineCount = 31
    /// N_PPS: N_TTY that also records the time of each change of carrier, which a pseudo-terminal never has. It would
    /// only take the line away from its readers, so it is refused, as by a kernel without it.
    static let pulsePerSecond: Int32 = 18

    /// TIOCSETD, after all output is sent.
    mutating func setDiscipline(
        _ reply: consuming Reply, _ file: FileID, _ number: Int32, asNetworkAdministrator: Bool
    ) {
        guard number >= 0, number < Self.disciplineCount, number != Self.pulsePerSecond else {
            return fail(reply, .invalidArgument)
        }
        let isChanging = requests.all(ParkedDisciplineCall.self).contains { $0.request.isSet }
        if number == lent.number && !isChanging { return answerIoctl(reply) }
        // A pending read keeps its discipline: the kernel would wait 5 s for it, and a read of N_TTY does not end by
        // itself.
        if !lent.isLent && requests.has(.read) { return fail(reply, .resourceBusy) }
        if number == 0 {
            requests.park(reply, file, ParkedDisciplineCall(.reset))
            return takeBack(discardingRest: false)
        }
        callDiscipline(
            reply, file, .set(number, asNetworkAdministrator: asNetworkAdministrator),
            .set(number, asNetworkAdministrator: asNetworkAdministrator))
    }

    mutating func callDiscipline(
        _ reply: consuming Reply, _ file: FileID, _ kind: ParkedDisciplineCall.Kind, _ call: DisciplineCall
    ) {
        let id = reply.id
        requests.park(reply, file, ParkedDisciplineCall(kind))
        effects.list.append(.callDiscipline(id, call))
    }

    // Requests of programs.

    /// How an ioctl is handled while the line is lent.
    enum LentIoctl {
        /// The port handles it.
        case notTaken
        case retry(copyIn: Int, copyOut: Int)
        case taken(ParkedDisciplineCall.Kind, DisciplineCall)
    }

    /// Returns whether the lent discipline answers an ioctl.
    func ioctlOfDiscipline(
        _ call: IoctlCall, argument: borrowing Span<UInt8>, isNetworkAdministrator: () -> Bool
    ) -> LentIoctl {
        guard lent.isLent else { return .notTaken }
        let copies: (in: Int, out: Int)
        var kind = ParkedDisciplineCall.Kind.ioctl
        switch Ioctl(rawValue: call.command) {
        case .FIONREAD: copies = (0, 4)
        case .TCFLSH:
            copies = (0, 0)
            kind = .flush(UInt32(truncatingIfNeeded: call.argument))
        case nil:
            guard let ioctl = DisciplineIoctl(rawValue: call.command) else { return .notTaken }
            copies = ioctl.copies
        default: return .notTaken
        }
        guard argument.count >= copies.in, call.outSize >= copies.out else {
            return .retry(copyIn: copies.in, copyOut: copies.out)
        }
        var bytes: [UInt8] = []
        bytes.append(contentsOf: argument, 0..<copies.in)
        return .taken(
            kind,
            .ioctl(
                call.command, value: call.argument, in: bytes, outSize: copies.out,
                asNetworkAdministrator: isNetworkAdministrator()))
    }

    /// Longest answer: at this size FUSE does not split one read(2) into two requests.
    static let longestRead = 65536

    /// Passes read(2) to the discipline.
    mutating func readFromDiscipline(_ reply: consuming Reply, _ file: FileID, _ count: Int) {
        callDiscipline(reply, file, .read, .read(min(count, Self.longestRead)))
    }

    /// Passes write(2) to the discipline.
    mutating func writeToDiscipline(_ reply: consuming Reply, _ file: FileID, _ bytes: borrowing Span<UInt8>) {
        var copy: [UInt8] = []
        copy.append(contentsOf: bytes, 0..<bytes.count)
        callDiscipline(reply, file, .write, .write(copy))
    }

    // Results of calls.

    /// A call has been carried out.
    package mutating func disciplineAnswered(_ id: RequestID, _ answer: DisciplineAnswer) {
        beginEvent()
        // A call whose file was hung up meanwhile is answered already.
        guard case .disciplineCall(let call) = requests[id] else { return }
        let reply = requests.take(id)
        switch (call.what, answer) {
        case (.set(let number, let asNetworkAdministrator), .failed(let error, let reason)):
            logRefusal(number, error, reason, asNetworkAdministrator)
            fail(reply, error)
        case (_, .failed(let error, _)): fail(reply, error)
        case (.set(let number, _), _):
            lend(to: number)
            answerIoctl(reply)
        case (.flush(let which), _): flush(reply, which)
        case (.read, .bytes(let bytes)): answerData(reply, bytes)
        case (_, .bytes(let bytes)): answerIoctl(reply, bytes)
        case (_, .written(let count)): self.answer(reply, .written(count))
        }
    }

    private mutating func logRefusal(_ number: Int32, _ error: Errno, _ reason: String?, _ asNetworkAdministrator: Bool)
    {
        let what = "line discipline \(number) refused"
        if let reason { return log(.error, "\(what): \(reason)") }
        guard error == .notPermitted else { return log(.info, "\(what): \(error)") }
        let why =
            if !asNetworkAdministrator {
                "the program lacks CAP_NET_ADMIN, or the module (tty-ldisc-\(number)) is not loaded"
            } else if !configuration.keepsNetworkAdministration {
                "start the port with --kernel-ldisc, and load the module (tty-ldisc-\(number))"
            } else {
                "the kernel requires more than CAP_NET_ADMIN, or the module (tty-ldisc-\(number)) is not loaded"
            }
        log(.error, "\(what): \(why)")
    }

    /// Lends the line to the discipline.
    private mutating func lend(to number: Int32) {
        if !lent.isLent {
            // N_TTY's unread input is lost; bytes still in the backlog go to the new discipline (tty_ldisc_close,
            // flip buffer).
            let isStopped = discipline.isStoppedByProgram
            discipline.reset()
            if isStopped { discipline.suspendOutput() }
            lent.received += reception.backlog.takeAll()
            reception.flagOfNextByte = nil
            throttle()
        }
        lent.number = number
        lent.discardsRest = false
        setLineNumber(number)
        log(.info, "line attached to the kernel's line discipline \(number)")
        if !lent.received.isEmpty { effects.list.append(.feedDiscipline) }
    }

    /// termios contains the number of the discipline (tty_set_termios_ldisc).
    private mutating func setLineNumber(_ number: Int32) {
        var termios = discipline.termios
        termios.line = UInt8(truncatingIfNeeded: number)
        var output = makeOutput()
        discipline.setTermios(termios, to: &output)
        put(&output)
    }

    /// Returns the line to N_TTY, and closes the pseudo-terminal.
    /// - Parameter discardingRest: bytes that the discipline has transmitted and that are not queued yet are lost.
    mutating func takeBack(discardingRest: Bool) {
        if lent.isReturning && !lent.isLent && (lent.discardsRest || !discardingRest) { return }
        // Also a line that is just being lent: effects are carried out in order.
        guard requests.has(.disciplineCall) || lent.isLent || lent.isReturning else { return }
        restoreDiscipline()
        lent.isReturning = true
        lent.discardsRest = discardingRest
        effects.list.append(.withdrawDiscipline(discardingRest: discardingRest))
    }

    /// line attached to N_TTY again, and receives the bytes that the other discipline has not taken.
    private mutating func restoreDiscipline() {
        guard lent.isLent else { return }
        log(.info, "line attached to N_TTY again")
        lent.number = 0
        setLineNumber(0)
        let received = lent.received
        lent.received = []
        _ = reception.backlog.append(received.span, 0..<received.count)
        refill()
    }

    /// The pseudo-terminal is closed, and all bytes from it are queued.
    package mutating func disciplineWithdrawn() {
        beginEvent()
        // If the line was lent only after it had been asked back.
        restoreDiscipline()
        lent.isReturning = false
        lent.discardsRest = false
        lent.isHeldBack = false
        for call in requests.all(ParkedDisciplineCall.self) where call.request.isReset {
            answerIoctl(requests.take(call.id))
        }
    }

    /// All files are hung up: the discipline and the requests passed to it are as well.
    mutating func hangUpDiscipline() {
        takeBack(discardingRest: true)
        for call in requests.all(ParkedDisciplineCall.self) {
            switch call.request.what {
            case .read: answerData(requests.take(call.id), [])
            case .set, .reset, .ioctl, .flush, .write: fail(requests.take(call.id), .ioError)
            }
        }
    }

    // Bytes.

    /// Takes received bytes for the discipline into `buffer`, which must be empty.
    /// - Returns: are there any?
    package mutating func takeReceived(into buffer: inout [UInt8]) -> Bool {
        swap(&lent.received, &buffer)
        return !buffer.isEmpty
    }

    /// The discipline transmits.
    /// - Returns: bytes taken; if fewer than all, `feedDiscipline` follows once there is room.
    package mutating func transmitFromDiscipline(_ bytes: borrowing Span<UInt8>) -> Int {
        beginEvent()
        // The line is no longer lent, so the bytes are discarded.
        guard lent.isLent || (lent.isReturning && !lent.discardsRest) else { return bytes.count }
        let taken = requests.has(.write) ? 0 : acceptUnprocessed(bytes)
        lent.isHeldBack = taken < bytes.count
        return taken
    }

    /// There is room for the bytes that the discipline transmits.
    mutating func resumeDiscipline() {
        guard lent.isHeldBack, !requests.has(.write), transmission.queue.room >= transmission.queue.capacity / 2 else {
            return
        }
        lent.isHeldBack = false
        effects.list.append(.feedDiscipline)
    }
}
