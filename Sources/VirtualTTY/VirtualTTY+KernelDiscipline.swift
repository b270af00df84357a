import LineDiscipline
import SerialLine
import SystemPackage

// TIOCSETD to a discipline that the kernel has and this port has not (tty_set_ldisc). The line is lent to it: the I/O
// layer carries out each `callDiscipline` in turn, moves bytes both ways, and answers everything.
extension VirtualTTY {
    /// Disciplines there may be (NR_LDISCS).
    static let disciplineCount = 31
    /// N_PPS: N_TTY that also takes the time at each change of carrier, which a pseudo-terminal never has. Lent the
    /// line, it would only keep it from its readers: refused, as by a kernel without it.
    static let pulsePerSecond: Int32 = 18

    /// TIOCSETD, with all output out.
    mutating func setDiscipline(
        _ reply: consuming Reply, _ file: FileID, _ number: Int32, asNetworkAdministrator: Bool
    ) {
        guard number >= 0, number < Self.disciplineCount, number != Self.pulsePerSecond else {
            return fail(reply, .invalidArgument)
        }
        let isChanging = requests.all(ParkedDisciplineCall.self).contains { $0.request.isSet }
        if number == lent.number && !isChanging { return answerIoctl(reply) }
        // A reader keeps its discipline: the kernel tries for 5 s, and no reader of N_TTY makes room for it.
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

    // What programs ask of it.

    /// What becomes of an ioctl while the line is lent.
    enum LentIoctl {
        /// It is the port's own.
        case notTaken
        case retry(copyIn: Int, copyOut: Int)
        case taken(ParkedDisciplineCall.Kind, DisciplineCall)
    }

    /// Is an ioctl one that the lent discipline answers?
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

    /// No answer is longer: FUSE then does not ask a second time for the same read(2).
    static let longestRead = 65536

    /// read(2) is the discipline's.
    mutating func readFromDiscipline(_ reply: consuming Reply, _ file: FileID, _ count: Int) {
        callDiscipline(reply, file, .read, .read(min(count, Self.longestRead)))
    }

    /// write(2) is the discipline's.
    mutating func writeToDiscipline(_ reply: consuming Reply, _ file: FileID, _ bytes: borrowing Span<UInt8>) {
        var copy: [UInt8] = []
        copy.append(contentsOf: bytes, 0..<bytes.count)
        callDiscipline(reply, file, .write, .write(copy))
    }

    // What comes of it.

    /// A call has been carried out.
    package mutating func disciplineAnswered(_ id: RequestID, _ answer: DisciplineAnswer) {
        beginEvent()
        // One that was hung up meanwhile has its answer.
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
                "the program has not CAP_NET_ADMIN, or its module (tty-ldisc-\(number)) is not loaded"
            } else if !configuration.keepsNetworkAdministration {
                "only a port started with --kernel-ldisc can lend it, once its module (tty-ldisc-\(number)) is loaded"
            } else {
                "the kernel wants more than CAP_NET_ADMIN, or its module (tty-ldisc-\(number)) is not loaded"
            }
        log(.error, "\(what): \(why)")
    }

    /// The discipline has the line from now on.
    private mutating func lend(to number: Int32) {
        if !lent.isLent {
            // N_TTY's own is lost with it; what has not come to it yet is the new one's (tty_ldisc_close, flip buffer).
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
        log(.info, "the kernel's line discipline \(number) has the line")
        if !lent.received.isEmpty { effects.list.append(.feedDiscipline) }
    }

    /// Termios shows which discipline there is (tty_set_termios_ldisc).
    private mutating func setLineNumber(_ number: Int32) {
        var termios = discipline.termios
        termios.line = UInt8(truncatingIfNeeded: number)
        var output = makeOutput()
        discipline.setTermios(termios, to: &output)
        put(&output)
    }

    /// N_TTY has the line again; the pseudo-terminal is given up.
    /// - Parameter discardingRest: what the discipline has transmitted and is not queued yet is lost.
    mutating func takeBack(discardingRest: Bool) {
        if lent.isReturning && !lent.isLent && (lent.discardsRest || !discardingRest) { return }
        // A line that is being lent, too: the effects are carried out one after the other.
        guard requests.has(.disciplineCall) || lent.isLent || lent.isReturning else { return }
        restoreDiscipline()
        lent.isReturning = true
        lent.discardsRest = discardingRest
        effects.list.append(.withdrawDiscipline(discardingRest: discardingRest))
    }

    /// N_TTY has the line, and what the other one has not been given.
    private mutating func restoreDiscipline() {
        guard lent.isLent else { return }
        log(.info, "N_TTY has the line again")
        lent.number = 0
        setLineNumber(0)
        let received = lent.received
        lent.received = []
        _ = reception.backlog.append(received.span, 0..<received.count)
        refill()
    }

    /// The pseudo-terminal is gone, and all that came from it is queued.
    package mutating func disciplineWithdrawn() {
        beginEvent()
        // Where it was lent only after it was asked back.
        restoreDiscipline()
        lent.isReturning = false
        lent.discardsRest = false
        lent.isHeldBack = false
        for call in requests.all(ParkedDisciplineCall.self) where call.request.isReset {
            answerIoctl(requests.take(call.id))
        }
    }

    /// All files are hung up: so are the requests that the discipline has, and the discipline itself.
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
    /// - Returns: bytes taken; where that is not all, `feedDiscipline` follows once there is room.
    package mutating func transmitFromDiscipline(_ bytes: borrowing Span<UInt8>) -> Int {
        beginEvent()
        // Nobody's any more.
        guard lent.isLent || (lent.isReturning && !lent.discardsRest) else { return bytes.count }
        let taken = requests.has(.write) ? 0 : acceptUnprocessed(bytes)
        lent.isHeldBack = taken < bytes.count
        return taken
    }

    /// There is room for what the discipline transmits.
    mutating func resumeDiscipline() {
        guard lent.isHeldBack, !requests.has(.write), transmission.queue.room >= transmission.queue.capacity / 2 else {
            return
        }
        lent.isHeldBack = false
        effects.list.append(.feedDiscipline)
    }
}
