import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

/// One serial port: its open files, settings, queues and remote end, as a state machine. Requests of the kernel, bytes
/// of the remote port and the time go in; `effects`, a command for the thread with the socket, and bytes to send come
/// out. It does no I/O and never blocks: a request that cannot be answered yet is parked.
///
/// An event changes state, and `progress` then does everything that the new state allows, in one pass. Values that stand
/// for themselves are types of their own, in files below this one. The topics are extensions above it; each uses only
/// those above itself in this list:
/// `+Window` (how far ahead of the line), `+Output` (to the wire), `+Input` (from the line), `+Flush`,
/// `+KernelDiscipline` (the line lent), `+HangUp`, `+ModemLines`, `+RS485`, `+Termios`, `+Drain`, `+Read`, `+Write`,
/// `+Poll`, `+Open`, `+Close`, `+Interrupt`, `+Ioctl`, `+Connection` (the remote end), `+Time` (deadlines), `+Status`
/// (what people are told), `+Progress` (the pass).
package struct VirtualTTY: Sendable {
    package internal(set) var configuration: PortConfiguration
    /// What has to be done; the caller takes and empties it.
    package var effects = Effects()

    // The line.
    var discipline = LineDiscipline()
    /// The line, while it is lent to one of the kernel's disciplines.
    var lent = LentLine()
    var reception = Reception()
    package internal(set) var counters = LineCounters()
    var outputs = OutputLines()
    var inputs = InputLines()
    /// A break is commanded.
    var isBreaking = false
    var serial = SerialStruct()
    var rs485 = RS485Mode()
    /// The bits of termios that later settings must leave as they are (TIOCSLCKTRMIOS); nil for nothing.
    var termiosLock: TermiosLock?
    /// The device's numbers, once it is made.
    var device = DeviceNumber()
    var windowSize = [UInt8](repeating: 0, count: 8)
    var exclusive = false
    /// The rate last used, which stays the line's at B0.
    var lastBaud: UInt32 = 9600

    // The programs.
    var files = FileTable()
    var requests = ParkedRequests()
    /// The last close, while it is at work.
    var closing: Closing?
    /// A program has the port open, or waited for it, and the port was not shut down since.
    var isInUse = false

    // The way out.
    var transmission: Transmission
    package internal(set) var remote: RemoteLink

    // What people are told.
    var reporting = Reporting()

    var time: EventTime
    /// The event has only asked: what the last pass left stands, and no pass need follow.
    var isUnchanged = false
    /// Asks the kernel about the socket: system calls.
    let socket: SocketQuestions

    /// What the port asks about its socket, and only if it matters.
    package struct SocketQuestions: Sendable {
        /// The bytes that the socket has sent or holds, and its peer has not acknowledged.
        package let unacknowledged: @Sendable () -> Int
        /// What the kernel knows of the peer.
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

    /// The kernel has made the device, with these numbers.
    package mutating func made(_ device: DeviceNumber) {
        self.device = device
        serial.line = Int32(bitPattern: device.minor)
    }

    /// Requests that have no answer yet.
    package var parkedCount: Int { requests.count }
    /// Does this request have no answer yet?
    package func isParked(_ id: RequestID) -> Bool { requests.contains(id) }
    package var link: Link { remote.state }
    /// The number of the connection that the bytes to send are for.
    package var connection: Int { remote.number }
    /// The port ends once no program has it open.
    package var isRetiring: Bool { reporting.isRetiring }
    /// The port has ended: there is no way back.
    package var hasRetired: Bool { reporting.hasRetired }
    package var servers: [Endpoint] { remote.servers }

    /// Has the event changed nothing? Told once.
    mutating func takeUnchanged() -> Bool {
        defer { isUnchanged = false }
        return isUnchanged
    }

    /// The command for the thread with the socket, if there is a new one.
    package mutating func takeCommand() -> RemoteCommand? { remote.takeCommand() }
}

/// The last close: while output drains, and then while opens that wait for carrier see the lines low.
struct Closing: Sendable {
    /// The request whose answer shows that the server has taken everything.
    let barrier: ComPortClient.Ticket?
    let deadline: MonotonicTime?
    /// The port is shut down, and opens that waited for carrier may begin anew then (close_delay).
    var reopenAt: MonotonicTime?
}

// Small things that every topic uses.
extension VirtualTTY {
    /// Something happens: the time of this event has not been read yet.
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

    /// Answers an ioctl that has only asked.
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

    /// Something went wrong that people may want to know of later.
    mutating func fault(_ level: LogLevel, _ text: String) {
        reporting.lastFault = (text, now)
        log(level, text)
    }

    /// Files that work: not hung up.
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
