import LineDiscipline
import RFC2217
import SerialLine

/// All requests without an answer, in order of arrival. A request is parked by giving up its `Reply`, and `take`
/// returns the `Reply`.
struct ParkedRequests: Sendable {
    private struct Entry: Sendable {
        let id: RequestID
        let file: FileID
        var request: Parked
    }

    private var entries: [Entry] = []
    /// The number of parked requests of each kind.
    private var counts = [Int](repeating: 0, count: ParkedKind.allCases.count)

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }

    func count(_ kind: ParkedKind) -> Int { counts[kind.rawValue] }
    func has(_ kind: ParkedKind) -> Bool { counts[kind.rawValue] > 0 }

    func contains(_ id: RequestID) -> Bool { entries.contains { $0.id == id } }

    /// The requests made on one open file.
    func of(_ file: FileID) -> [RequestID] { entries.filter { $0.file == file }.map(\.id) }

    subscript(id: RequestID) -> Parked? { entries.first { $0.id == id }?.request }

    /// The requests of one kind, oldest first.
    func all<Request: ParkedRequest>(_ type: Request.Type) -> [(id: RequestID, file: FileID, request: Request)] {
        guard has(Request.kind) else { return [] }
        return entries.compactMap { entry in Request(entry.request).map { (entry.id, entry.file, $0) } }
    }

    /// The oldest request of one kind.
    func first<Request: ParkedRequest>(_ type: Request.Type) -> (id: RequestID, file: FileID, request: Request)? {
        guard has(Request.kind) else { return nil }
        for entry in entries {
            if let request = Request(entry.request) { return (entry.id, entry.file, request) }
        }
        return nil
    }

    mutating func park<Request: ParkedRequest>(_ reply: consuming Reply, _ file: FileID, _ request: Request) {
        counts[Request.kind.rawValue] += 1
        entries.append(Entry(id: reply.given(), file: file, request: request.parked))
    }

    /// Changes a parked request.
    mutating func update<Request: ParkedRequest>(_ id: RequestID, _ change: (inout Request) -> Void) {
        guard let index = entries.firstIndex(where: { $0.id == id }), var request = Request(entries[index].request)
        else {
            return
        }
        change(&request)
        entries[index].request = request.parked
    }

    /// Takes a request out, to be answered.
    mutating func take(_ id: RequestID) -> Reply {
        guard let index = entries.firstIndex(where: { $0.id == id }) else {
            preconditionFailure("request \(id.rawValue) is not parked")
        }
        counts[entries.remove(at: index).request.kind.rawValue] -= 1
        return Reply(id)
    }
}

/// A kind of request that can wait.
enum ParkedKind: Int, CaseIterable, Sendable {
    case open
    case read
    case write
    case drain
    case setting
    case modemWait
    case disciplineCall
    case timedBreak
    case close
}

/// One request that waits.
enum Parked: Sendable {
    case open(ParkedOpen)
    case read(ParkedRead)
    case write(ParkedWrite)
    case drain(ParkedDrain)
    case setting(ParkedSetting)
    case modemWait(ParkedModemWait)
    case disciplineCall(ParkedDisciplineCall)
    case timedBreak(TimedBreak)
    case close(ParkedClose)

    var kind: ParkedKind {
        switch self {
        case .open: .open
        case .read: .read
        case .write: .write
        case .drain: .drain
        case .setting: .setting
        case .modemWait: .modemWait
        case .disciplineCall: .disciplineCall
        case .timedBreak: .timedBreak
        case .close: .close
        }
    }
}

/// The data kept for one kind of parked request.
protocol ParkedRequest: Sendable {
    static var kind: ParkedKind { get }
    var parked: Parked { get }
    /// - Returns: nil for a request of another kind.
    init?(_ parked: Parked)
}

struct ParkedOpen: ParkedRequest {
    enum Wait: Equatable, Sendable {
        /// Waits for a close that is still running (tty_lock). Then the open starts, or starts anew.
        case turn
        /// Waits for the connection until this deadline.
        case link(deadline: MonotonicTime)
        /// Waits for carrier (tty_port_block_til_ready). A server that has reported no lines by this moment counts as
        /// one with carrier.
        case carrier(unreportedUntil: MonotonicTime)
    }

    let opener: Int32
    /// O_NONBLOCK: the open does not wait for carrier.
    let nonBlocking: Bool
    var wait = Wait.turn

    static let kind = ParkedKind.open
    var parked: Parked { .open(self) }

    init(opener: Int32, nonBlocking: Bool) {
        self.opener = opener
        self.nonBlocking = nonBlocking
    }

    init?(_ parked: Parked) {
        guard case .open(let open) = parked else { return nil }
        self = open
    }

    var isForLink: Bool { if case .link = wait { true } else { false } }
    var isForCarrier: Bool { if case .carrier = wait { true } else { false } }
}

struct ParkedRead: ParkedRequest {
    /// Size of the program's buffer in bytes.
    let limit: Int
    /// MIN and TIME as they were when the read began (n_tty_read).
    let timing: ReadTiming
    /// This read is the current one: reads run one at a time.
    var started = false
    var deadline: MonotonicTime?
    /// Bytes already taken. They belong to this read, even if the input is flushed.
    var collected: [UInt8] = []

    static let kind = ParkedKind.read
    var parked: Parked { .read(self) }

    init(limit: Int, timing: ReadTiming) {
        self.limit = limit
        self.timing = timing
    }

    init?(_ parked: Parked) {
        guard case .read(let read) = parked else { return nil }
        self = read
    }
}

struct ParkedWrite: ParkedRequest {
    /// The bytes that were not accepted at once.
    let bytes: [UInt8]
    /// How many of these bytes have been accepted.
    var offset = 0
    /// Bytes accepted before the write was parked.
    let before: Int

    static let kind = ParkedKind.write
    var parked: Parked { .write(self) }

    /// All bytes already accepted.
    var count: Int { before + offset }

    init(bytes: [UInt8], before: Int) {
        self.bytes = bytes
        self.before = before
    }

    init?(_ parked: Parked) {
        guard case .write(let write) = parked else { return nil }
        self = write
    }
}

struct ParkedDrain: ParkedRequest {
    enum Then: Sendable {
        case answer
        case setTermios(Termios, flushInput: Bool)
        case breakOn
        case timedBreak(nanoseconds: UInt64)
        case setDiscipline(Int32, asNetworkAdministrator: Bool)
    }

    let then: Then
    /// The value of `accepted` at which the drain ends.
    let target: UInt64
    /// The command whose answer shows that the server has taken everything.
    let barrier: ComPortClient.Ticket?

    static let kind = ParkedKind.drain
    var parked: Parked { .drain(self) }

    init(then: Then, target: UInt64, barrier: ComPortClient.Ticket?) {
        self.then = then
        self.target = target
        self.barrier = barrier
    }

    init?(_ parked: Parked) {
        guard case .drain(let drain) = parked else { return nil }
        self = drain
    }
}

/// An ioctl that waits for the server's answers.
struct ParkedSetting: ParkedRequest {
    enum Kind: Sendable {
        case termios
        /// TIOCSRS485; `outcome` is its result.
        case rs485(outcome: RS485Outcome?)
    }

    var what: Kind
    /// The requests it waits for. It ends once each is answered or given up.
    let tickets: Set<ComPortClient.Ticket>
    let deadline: MonotonicTime

    static let kind = ParkedKind.setting
    var parked: Parked { .setting(self) }

    init(_ what: Kind, tickets: Set<ComPortClient.Ticket>, deadline: MonotonicTime) {
        self.what = what
        self.tickets = tickets
        self.deadline = deadline
    }

    init?(_ parked: Parked) {
        guard case .setting(let setting) = parked else { return nil }
        self = setting
    }
}

struct ParkedModemWait: ParkedRequest {
    let mask: ModemLines
    let before: LineCounters

    static let kind = ParkedKind.modemWait
    var parked: Parked { .modemWait(self) }

    init(mask: ModemLines, before: LineCounters) {
        self.mask = mask
        self.before = before
    }

    init?(_ parked: Parked) {
        guard case .modemWait(let wait) = parked else { return nil }
        self = wait
    }

    /// Returns whether one of the awaited lines has changed.
    func isOver(_ now: LineCounters) -> Bool {
        mask.contains(.cts) && before.cts != now.cts || mask.contains(.dsr) && before.dsr != now.dsr
            || mask.contains(.dcd) && before.dcd != now.dcd || mask.contains(.ri) && before.ri != now.ri
    }
}

/// A request that the lent discipline answers, or that waits until the line is no longer lent.
struct ParkedDisciplineCall: ParkedRequest {
    enum Kind: Sendable {
        case set(Int32, asNetworkAdministrator: Bool)
        /// TIOCSETD to N_TTY, which takes effect once the pseudo-terminal is closed.
        case reset
        case ioctl
        /// TCFLSH: the discipline's buffers first, then this port's.
        case flush(UInt32)
        case read
        case write
    }

    let what: Kind

    static let kind = ParkedKind.disciplineCall
    var parked: Parked { .disciplineCall(self) }

    init(_ what: Kind) { self.what = what }

    init?(_ parked: Parked) {
        guard case .disciplineCall(let call) = parked else { return nil }
        self = call
    }

    var isReset: Bool { if case .reset = what { true } else { false } }
    var isSet: Bool { if case .set = what { true } else { false } }
}

/// TCSBRK, TCSBRKP: the break ends at this moment.
struct TimedBreak: ParkedRequest {
    let until: MonotonicTime

    static let kind = ParkedKind.timedBreak
    var parked: Parked { .timedBreak(self) }

    init(until: MonotonicTime) { self.until = until }

    init?(_ parked: Parked) {
        guard case .timedBreak(let timedBreak) = parked else { return nil }
        self = timedBreak
    }
}

/// The last close, while output drains.
struct ParkedClose: ParkedRequest {
    static let kind = ParkedKind.close
    var parked: Parked { .close(self) }

    init() {}

    init?(_ parked: Parked) {
        guard case .close = parked else { return nil }
    }
}
