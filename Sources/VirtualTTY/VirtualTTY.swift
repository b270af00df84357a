import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

/// One serial port as a state machine: its open files, settings, queues and remote end. Requests of the kernel, bytes
/// of the remote port and the time go in; `effects`, a command for the thread that owns the socket, and bytes to send
/// come out. It does no I/O and never blocks: a request that cannot be answered yet is parked.
///
/// An event changes state, and `progress` then does everything that the new state allows, in one pass. Independent
/// values are types of their own, in files below this one. The topics are extensions above it; each uses only topics
/// before itself in this list: `+Window` (how far ahead of the line), `+Output` (to the wire), `+Input` (from the
/// line), `+Flush`, `+KernelDiscipline` (the line lent), `+HangUp`, `+ModemLines`, `+RS485`, `+Termios`, `+Drain`,
/// `+Read`, `+Write`, `+Poll`, `+Open`, `+Close`, `+Interrupt`, `+Ioctl`, `+Connection` (the remote end), `+Time`
/// (deadlines), `+Status` (the reported status), `+Progress` (the pass).
package struct VirtualTTY: Sendable {
    package internal(set) var configuration: PortConfiguration
    /// Pending actions; the caller takes and empties them.
    package var effects = Effects()

    // The line.
    var discipline = LineDiscipline()
    /// The line, while it is lent to one of the kernel's disciplines.
    var lent = LentLine()
    var reception = Reception()
    package internal(set) var counters = LineCounters()
    var outputs = OutputLines()
    var inputs = InputLines()
    /// The program has commanded a break.
    var isBreaking = false
    var serial = SerialStruct()
    var rs485 = RS485Mode()
    /// The bits of termios that later settings must not change (TIOCSLCKTRMIOS); nil if none is locked.
    var termiosLock: TermiosLock?
    /// The device's numbers, after its creation.
    var device = DeviceNumber()
    var windowSize = [UInt8](repeating: 0, count: 8)
    var exclusive = false
    /// The last rate other than B0; the line keeps it at B0.
    var lastBaud: UInt32 = 9600

    // Files and requests.
    var files = FileTable()
    var requests = ParkedRequests()
    /// The last close, while it is in progress.
    var closing: Closing?
    /// A program has the port open, or waited for it, and the port was not shut down since.
    var isInUse = false

    // Output.
    var transmission: Transmission
    package internal(set) var remote: RemoteLink

    // The reported status.
    var reporting = Reporting()

    var time: EventTime
    /// The event only asked for a value, so no pass needs to follow.
    var isUnchanged = false
    /// Queries of the kernel about the socket, by system calls.
    let socket: SocketQuestions

    /// Queries about the socket; made only if the result matters.
    package struct SocketQuestions: Sendable {
        /// Bytes that the socket has sent or holds, and that its peer has not acknowledged.
        package let unacknowledged: @Sendable () -> Int
        /// The kernel's view of the peer.
        package let lifeSigns: @Sendable () -> LifeSigns

        package init(
            unacknowledged: @escaping @Sendable () -> Int = { 0 },
            lifeSigns: @escaping @Sendable () -> LifeSigns = { .quiet }
        ) {
            self.unacknowledged = unacknowledged
            self.lifeSigns = lifeSigns
        }
    }

    package init(
        configuration: PortConfiguration = PortConfiguration(), clock: @escaping Clock,
        socket: SocketQuestions = SocketQuestions()
    ) {
        self.configuration = configuration
        self.socket = socket
        time = EventTime(clock)
        remote = RemoteLink(configuration)
        transmission =
            switch configuration.ahead {
            case .bytes(let count): Transmission(capacity: count)
            case .unlimited: Transmission(isUnlimited: true)
            }
        serial.line = Int32(bitPattern: configuration.minor)
    }

    /// The kernel has created the device, with these numbers.
    package mutating func made(_ device: DeviceNumber) {
        self.device = device
        serial.line = Int32(bitPattern: device.minor)
    }

    /// Number of requests without an answer.
    package var parkedCount: Int { requests.count }
    /// Returns whether a request has no answer yet.
    package func isParked(_ id: RequestID) -> Bool { requests.contains(id) }
    package var link: Link { remote.state }
    /// The number of the connection that the bytes to send belong to.
    package var connection: Int { remote.number }
    /// The port ends once no program has it open.
    package var isRetiring: Bool { reporting.isRetiring }
    /// The port has ended permanently.
    package var hasRetired: Bool { reporting.hasRetired }
    package var servers: [Endpoint] { remote.servers }

    /// Returns whether the event changed nothing, and resets that.
    mutating func takeUnchanged() -> Bool {
        defer { isUnchanged = false }
        return isUnchanged
    }

    /// The command for the thread that owns the socket, if there is a new one.
    package mutating func takeCommand() -> RemoteCommand? { remote.takeCommand() }
}

/// The last close: while output drains, and then while opens that wait for carrier see the lines low.
struct Closing: Sendable {
    /// The request whose answer confirms that the server has taken everything.
    let barrier: ComPortClient.Ticket?
    let deadline: MonotonicTime?
    /// The port is shut down, and opens that waited for carrier start anew at this moment (close_delay).
    var reopenAt: MonotonicTime?
}

// Helpers for all topics.
extension VirtualTTY {
    /// An event begins: its time has not been read yet.
    mutating func beginEvent() {
        time.begin()
        isUnchanged = false
    }

    /// The time of the event being handled.
    var now: MonotonicTime {
        mutating get { time.now }
    }

    mutating func answer(_ reply: consuming Reply, _ answer: Answer) {
        effects.list.append(.answer(reply.given(), answer))
    }

    mutating func fail(_ reply: consuming Reply, _ error: Errno) { answer(reply, .error(error)) }

    /// Answers an ioctl with a result of 0 and these bytes.
    mutating func answerIoctl(_ reply: consuming Reply, _ bytes: [UInt8] = []) {
        let start = effects.bytes.count
        effects.bytes += bytes
        answer(reply, .ioctl(start..<effects.bytes.count))
    }

    /// Answers an ioctl that only asked for a value.
    mutating func answerQuery(_ reply: consuming Reply, _ bytes: [UInt8]) {
        answerIoctl(reply, bytes)
        isUnchanged = true
    }

    /// Answers a read with these bytes.
    mutating func answerData(_ reply: consuming Reply, _ bytes: [UInt8]) {
        let start = effects.bytes.count
        effects.bytes += bytes
        answer(reply, .data(start..<effects.bytes.count))
    }

    mutating func log(_ level: LogLevel, _ text: String) {
        if level <= configuration.logLevel { effects.list.append(.log(level, text)) }
    }

    /// Logs an error, and keeps it for `status`.
    mutating func fault(_ level: LogLevel, _ text: String) {
        reporting.lastFault = (text, now)
        log(level, text)
    }

    /// Number of open files that are not hung up.
    var liveFiles: Int { files.list.lazy.filter { !$0.isDead }.count }

    /// A file is open, or an open waits for carrier: a lost connection is made again.
    var isHeld: Bool { liveFiles > 0 || requests.all(ParkedOpen.self).contains { $0.request.isForCarrier } }

    /// The line's settings that termios asks for.
    package var lineSettings: LineSettings {
        var settings = discipline.termios.lineSettings(baudAtB0: lastBaud)
        if settings.baud == 38400, let baud = serial.specialBaud { settings.baud = baud }
        return settings
    }
}
