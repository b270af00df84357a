import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

/// One serial port: its open files, settings, queues and remote end, as a state machine. What the kernel asks and what
/// the remote port sends go in with the time; what is to be done comes out as `effects`, and the bytes to send as
/// `withUnsent`. It does no I/O and never blocks: a request that cannot be answered yet is parked.
///
/// By topic: `+Open` (open and what it waits for), `+Close` (close, hang-up, interrupts), `+Read`, `+Write` (data and
/// TransmitQueue), `+Ioctl` (which number does what), `+Termios`, `+ModemLines`, `+RS485`, `+Drain` (waiting for output,
/// breaks), `+Poll`, `+KernelDiscipline` (the line lent to one of the kernel's), `+Remote` (the connection), `+Time`
/// (deadlines), `+Status` (what people are told, and the port's end).
package struct VirtualTTY: Sendable {
    package var configuration: PortConfiguration
    /// What is to be done; whoever calls takes and empties it.
    package var effects = Effects()

    // The line.
    var discipline = LineDiscipline()
    /// Received bytes the line discipline has no room for yet: the kernel's flip buffer.
    var backlog = Backlog()
    /// VSTOP was sent, because too much is received.
    var isThrottled = false
    /// The far end has said how the next byte came from the line.
    var flagOfNextByte: ReceiveFlag?
    /// Where the line is lent to one of the kernel's disciplines.
    var lent = LentLine()
    package internal(set) var counters = LineCounters()
    /// DTR and RTS as last commanded, and the far end's lines as last reported.
    var outputs: ModemLines = []
    var inputs: ModemLines = []
    /// The far end has reported its lines on this connection.
    var inputsReported = false
    /// Programs have been shown levels that the next report is a change from.
    var inputsShown = false
    /// A break is commanded.
    var isBreaking = false
    var serial = SerialStruct()
    var rs485 = RS485Mode()
    /// What later settings must leave as it is (TIOCSLCKTRMIOS); nil for nothing.
    var termiosLock: TermiosLock?
    /// The device's numbers, once it is made.
    var device = DeviceNumber()
    var windowSize = [UInt8](repeating: 0, count: 8)
    var exclusive = false
    /// The rate last used, which stays the line's at B0.
    var lastBaud: UInt32 = 9600

    /// Reads the clock.
    let clock: Clock
    /// Asks the socket for the bytes it has sent and its peer has not acknowledged: a system call.
    let unacknowledged: @Sendable () -> Int
    /// The time of the event being handled, once it has been asked for.
    private var eventTime: MonotonicTime?

    // Open files.
    var files = FileTable()
    var nextFile: UInt64 = 1

    // Transmission.
    var queue = TransmitQueue()
    var wire = Wire()
    /// The server's FLOWCONTROL-SUSPEND.
    var remoteSuspended = false
    /// Memory for what the line discipline puts out.
    var spareOutput: [UInt8] = []
    /// What it puts out now goes straight to the wire.
    var outputGoesDirect = false
    /// Bytes of data accepted from programs since the port was made, and how far they have been drained.
    var acceptedBytes: UInt64 = 0
    var drainedBytes: UInt64 = 0
    /// When the line will have sent all that has gone to the socket, but for `untimedBytes`.
    var lineFreeAt = MonotonicTime(nanoseconds: 0)
    /// The far end has been seen to take bytes faster than a line at this rate can: there is no such line.
    var isLineUnpaced = false
    /// Bytes gone to the socket whose time on the line is not reckoned yet.
    var untimedBytes = 0

    // The remote end.
    package internal(set) var link = Link.down { didSet { needsReview = true } }
    var client = ComPortClient()
    /// What the server was last told, so that only changes are sent; nil where nothing was.
    var told: LineSettings?
    var toldLineStateMask: LineState = []
    var nextTicket: ComPortClient.Ticket = 1
    /// Requests, queued or sent, whose answers are still missing.
    var unresolved: Set<ComPortClient.Ticket> = []
    /// Received data is dropped until this purge is answered, or the time is over.
    var purge: PendingPurge?
    /// A first open is being made, and the purge that goes with it is not answered: what comes is from before it.
    var isBeforeOpening = false
    /// When patience with a lost connection ends; nil for never, or where none is lost.
    var lossDeadline: MonotonicTime?
    /// Failed attempts since the link was up.
    var attempts = 0
    /// Where it is connected to.
    var peer: String?
    /// The number of the connection that the bytes to send are for.
    package internal(set) var connection = 0
    /// It was up, and is not any more though it is wanted.
    var isLost = false

    // What people are told.
    /// Something of what they are told may have changed, or whether anybody has the port open.
    var needsReview = false
    var reviewed = Reviewed()
    var reconnects: UInt64 = 0
    var lastFault: (text: String, at: MonotonicTime)?
    /// The port is to end once no program has it open; and it has come to that: there is no way back.
    package internal(set) var isRetiring = false
    package internal(set) var hasRetired = false

    // Parked requests.
    var opens: [ParkedOpen] = [] { didSet { needsReview = true } }
    var reads: [ParkedRead] = []
    var writes: [ParkedWrite] = []
    var drains: [ParkedDrain] = []
    var settings: [ParkedSetting] = []
    var modemWaits: [ParkedModemWait] = []
    var timedBreak: TimedBreak?
    var closing: Closing? { didSet { needsReview = true } }
    /// The connection is kept until then although nothing is open.
    var lingerUntil: MonotonicTime?

    /// Tells the time. It is asked at most once in one event, and not at all where no deadline is concerned: in a
    /// virtual machine it may be a system call.
    package typealias Clock = @Sendable () -> MonotonicTime

    /// - Parameter unacknowledged: tells how many bytes the socket has sent that its peer has not acknowledged; asked
    ///   only where that is concerned.
    package init(
        configuration: PortConfiguration = PortConfiguration(), clock: @escaping Clock,
        unacknowledged: @escaping @Sendable () -> Int = { 0 }
    ) {
        self.configuration = configuration
        self.clock = clock
        self.unacknowledged = unacknowledged
        serial.line = Int32(bitPattern: configuration.minor)
    }

    /// The kernel has made the device, with these numbers.
    package mutating func made(_ device: DeviceNumber) {
        self.device = device
        serial.line = Int32(bitPattern: device.minor)
    }

    /// Requests that have no answer yet.
    package var parkedCount: Int {
        opens.count + reads.count + writes.count + drains.count + settings.count + modemWaits.count + lent.calls.count
            + (timedBreak == nil ? 0 : 1) + (closing?.id == nil ? 0 : 1)
    }
}

extension VirtualTTY {
    /// Is this request still to be answered?
    package func isParked(_ id: RequestID) -> Bool {
        reads.contains { $0.id == id } || writes.contains { $0.id == id } || opens.contains { $0.id == id }
            || drains.contains { $0.id == id } || settings.contains { $0.id == id }
            || modemWaits.contains { $0.id == id } || lent.calls.contains { $0.id == id } || timedBreak?.id == id
            || closing?.id == id
    }
}

/// The state of the connection to the remote port.
package enum Link: Equatable, Sendable {
    case down
    /// Being connected; parked opens carry the deadlines.
    case connecting
    /// Connected; options and settings are out, answers to `required` are missing.
    case opening(required: Set<ComPortClient.Ticket>, deadline: MonotonicTime)
    case up
    /// Lost while open, or not there yet: the next attempt.
    case lost(retryAt: MonotonicTime)
    /// Being ended by us.
    case disconnecting
}

/// One open of the node: what a file descriptor, with its duplicates, stands for.
struct OpenFile: Sendable {
    let id: FileID
    /// The thread that opened it; 0 where that is not known.
    var opener: Int32 = 0
    /// Hung up: reads end, all else is EIO, for as long as it stays open.
    var isDead = false
    /// The kernel waits for a notification.
    var pollArmed = false
    /// The events it waits for.
    var pollEvents: UInt32 = 0
}

struct ParkedOpen: Sendable {
    enum Wait: Equatable, Sendable {
        /// For the connection, so long.
        case link(deadline: MonotonicTime)
        /// For a close that is still at work (tty_lock).
        case close
        /// For carrier (tty_port_block_til_ready): as long as it takes, but only until then where the server reports no
        /// lines.
        case carrier(unreportedUntil: MonotonicTime)
    }

    let id: RequestID
    let file: FileID
    let opener: Int32
    /// O_NONBLOCK: it does not wait for carrier.
    let nonBlocking: Bool
    var wait: Wait
}

struct ParkedRead: Sendable {
    let id: RequestID
    let file: FileID
    let limit: Int
    /// MIN and TIME as they were when the read began (n_tty_read).
    let timing: ReadTiming
    /// It is its turn: one reader runs at a time.
    var started = false
    var deadline: MonotonicTime?
    /// What it has already taken: its own, whatever is flushed.
    var collected: [UInt8] = []
}

struct ParkedWrite: Sendable {
    let id: RequestID
    let file: FileID
    var bytes: [UInt8]
    var offset = 0
    /// Accepted before it was parked.
    let before: Int
}

struct ParkedDrain: Sendable {
    enum Then: Sendable {
        case answer
        case setTermios(Termios, flushInput: Bool)
        case breakOn
        case timedBreak(nanoseconds: UInt64)
        case setDiscipline(Int32, asNetworkAdministrator: Bool)
    }

    let id: RequestID
    let file: FileID
    let then: Then
    /// All that was accepted when it began.
    let target: UInt64
    /// The request whose answer shows that the server has taken everything.
    var barrier: ComPortClient.Ticket?
}

/// An ioctl that waits for the server's answer.
struct ParkedSetting: Sendable {
    enum Kind: Sendable {
        case termios
        case rs485
    }

    let id: RequestID
    let file: FileID
    let kind: Kind
    var tickets: Set<ComPortClient.Ticket>
    let deadline: MonotonicTime
}

struct ParkedModemWait: Sendable {
    let id: RequestID
    let file: FileID
    let mask: ModemLines
    let before: LineCounters
}

struct TimedBreak: Sendable {
    let id: RequestID
    let file: FileID
    let until: MonotonicTime
}

struct PendingPurge: Sendable {
    let ticket: ComPortClient.Ticket
    let deadline: MonotonicTime
}

/// The last close, while output drains; and afterwards, while the connection lingers.
struct Closing: Sendable {
    /// The release to answer; nil once it is.
    var id: RequestID?
    /// The request whose answer shows that the server has taken everything.
    let barrier: ComPortClient.Ticket?
    let deadline: MonotonicTime?
    /// The port is shut down, and opens that waited for carrier may begin anew then (close_delay).
    var reopenAt: MonotonicTime?
}

// Small things every topic uses.
extension VirtualTTY {
    /// Something happens: what time it is, is open again.
    mutating func beginEvent() { eventTime = nil }

    /// The time of the event being handled.
    var now: MonotonicTime {
        mutating get {
            if let eventTime { return eventTime }
            let time = clock()
            eventTime = time
            return time
        }
    }

    mutating func answer(_ id: RequestID, _ answer: Answer) { effects.list.append(.answer(id, answer)) }

    mutating func fail(_ id: RequestID, _ error: Errno) { answer(id, .error(error)) }

    /// Answers an ioctl with a result of 0 and these bytes.
    mutating func answerIoctl(_ id: RequestID, _ bytes: [UInt8] = []) {
        let start = effects.bytes.count
        effects.bytes += bytes
        answer(id, .ioctl(start..<effects.bytes.count))
    }

    mutating func log(_ level: LogLevel, _ text: String) {
        if level <= configuration.logLevel { effects.list.append(.log(level, text)) }
    }

    mutating func makeTicket() -> ComPortClient.Ticket {
        defer { nextTicket &+= 1 }
        unresolved.insert(nextTicket)
        return nextTicket
    }

    var isLinkUp: Bool { if case .up = link { true } else { false } }

    /// A connection stands that everything has been told to: changes are told it, too. While it opens they wait in the
    /// queue.
    var takesCommands: Bool {
        switch link {
        case .opening, .up: true
        case .down, .connecting, .lost, .disconnecting: false
        }
    }

    /// Files that work: not hung up.
    var liveFiles: Int { files.list.lazy.filter { !$0.isDead }.count }

    /// The line's settings that termios asks for.
    package var lineSettings: LineSettings {
        var settings = discipline.termios.lineSettings(baudAtB0: lastBaud)
        if settings.baud == 38400, let baud = serial.specialBaud { settings.baud = baud }
        return settings
    }
}
