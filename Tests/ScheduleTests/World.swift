import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import VirtualTTY

/// One port between programs, threads, a network and a server, all of them played, in virtual time. Which of them does
/// the next step is a choice of the tape. Carrying out an effect is a step of its own, as it is between real threads.
///
/// By topic: `+Threads` (the port's threads and their effects), `+Network` (the connection and the server),
/// `+Programs` (requests), `+Checks` (the invariants).
final class World {
    /// The time, which only the schedule moves. One thread uses it.
    final class Clock: @unchecked Sendable {
        var now = MonotonicTime(nanoseconds: .seconds(1000))
    }

    /// What the port may ask of the socket. One thread uses it.
    final class Socket: @unchecked Sendable {
        var unacknowledged = 0
        var lifeSigns = LifeSigns.quiet
    }

    var tape: Tape
    let clock = Clock()
    let socketQuestions = Socket()
    var engine: PortEngine
    /// Nothing is flushed or hung up, and one file stays open: every byte has to arrive, or be counted as lost.
    let isExact: Bool

    // Threads.
    var threads = [ModelThread](repeating: ModelThread(), count: ThreadName.allCases.count)
    var transmit = TransmitThread()
    /// The receive thread sleeps until programs have read enough.
    var receiverIsPaused = false

    // Network.
    var connection: ModelConnection?
    var server = ModelServer()
    var network = Network.accepts
    enum Network {
        case accepts
        case refuses
        case silent
        /// The connection is taken, and ended with a line of text: the server serves another client.
        case busy
        /// The first server of several is busy, refuses, or has a name server that is silent; the others accept.
        case firstFails
    }
    var attemptStarted = MonotonicTime(nanoseconds: 0)
    /// The attempt at hand began while the network was silent: it gets no answer.
    var attemptIsSilent = false
    /// The server of the last lookup, whose address is being tried.
    var attemptedServer: Endpoint?
    /// How the first server fails.
    var firstFailure = Network.busy
    /// The server has asked to stop sending data.
    var outputIsSuspended = false
    /// When something last went wrong.
    var lastTrouble = MonotonicTime(nanoseconds: 0)
    /// Lookups under way.
    var lookups: [(number: Int, server: Endpoint)] = []
    /// The data bytes that all sockets have taken, in order.
    var sentData: [UInt8] = []
    /// Of the connections that have ended: the data bytes taken, and those of them that reached the line.
    var takenByLost = 0
    var heardFromLost = 0
    var heardBefore = 0

    // Programs.
    var lastID: UInt64 = 0
    var waiting: [RequestID: Request] = [:]
    var files: [FileID] = []
    var closing = 0
    /// What writes accepted, in the order in which the port accepted it.
    var written: [UInt8] = []
    /// A close or a hang-up has given up what no socket took.
    var hasGivenUp = false
    /// Where in `written`, and in what sockets took, the first open after that came.
    var useBegan = (written: 0, sent: 0)
    var readBytes: [UInt8] = []
    var lineSent: [UInt8] = []
    var nextByte: UInt32 = 0

    private(set) var failure: String?
    var steps: [String] = []
    var keepsSteps = false

    init(_ tape: Tape) {
        var tape = tape
        isExact = tape.below(2) == 0
        var configuration = PortConfiguration()
        configuration.logLevel = .warning
        configuration.servers = [Endpoint(host: "a", port: 1)]
        if tape.below(2) == 1 { configuration.servers.append(Endpoint(host: "b", port: 2)) }
        configuration.connect = tape.below(3) == 2 ? .always : .open
        configuration.linger = tape.pick([0, .milliseconds(700)])
        configuration.lossTimeout = isExact ? nil : tape.pick([nil, 0, .seconds(3)])
        configuration.lines = tape.pick([.raise, .leave])
        configuration.awaitsSettings = tape.below(4) != 3
        configuration.connectTimeout = .seconds(2)
        configuration.deadAfter = .seconds(4)
        let clock = clock
        let socket = socketQuestions
        engine = PortEngine(
            VirtualTTY(
                configuration: configuration, clock: { clock.now },
                socket: VirtualTTY.SocketQuestions(
                    unacknowledged: { socket.unacknowledged }, lifeSigns: { socket.lifeSigns })))
        server.line.outputs = tape.pick([[], [.dtr, .rts], [.dtr]])
        if tape.below(4) == 3 {
            // None that cares for the bounds of segments, which are any here.
            server.profile = ServerProfile([tape.pick([.ser2net, .pyserial, .noAcks, .noPurgeAck, .sredird])])
        }
        self.tape = tape
    }

    func fail(_ what: String) {
        if failure == nil { failure = what }
    }

    func note(_ what: @autoclosure () -> String) {
        if keepsSteps { steps.append("\(clock.now.nanoseconds / 1000 - 1_000_000_000) us: \(what())") }
    }

    /// Runs the whole schedule.
    func run(steps count: Int) {
        event(.control, "start") { $0.tty.start() }
        becomeRaw()
        for _ in 0..<count where failure == nil { step() }
        finish()
    }

    /// A program opens the port and sets it raw. In an exact schedule its file stays open.
    private func becomeRaw() {
        open()
        advance(.seconds(5))
        guard let file = files.first else { return fail("no first open") }
        set(file)
        advance(.seconds(5))
        if !isExact && tape.below(2) == 0 { close(file) }
    }

    private func step() {
        switch tape.below(16) {
        case 0..<7: runSomeThread()
        case 7..<10: moveSomeBytes()
        case 10..<14: program()
        case 14: disturb()
        default:
            // Threads run to their end, and time passes.
            settle()
            advance(
                tape.pick([
                    .microseconds(10), .milliseconds(1), .milliseconds(50),
                    .milliseconds(600), .seconds(5), .seconds(20),
                ]))
        }
        check()
    }

    /// Lets threads and network do everything they can at this time.
    func settle() {
        var rounds = 0
        while failure == nil, runEveryThread() || moveAllBytes() {
            rounds += 1
            if rounds > 20_000 { fail("threads never come to rest") }
        }
    }

    /// Time passes; what becomes due on the way happens in its order.
    func advance(_ nanoseconds: UInt64) {
        let end = clock.now + nanoseconds
        var stuck = 0
        settle()
        while failure == nil {
            guard let next = nextDue, next <= end else { break }
            stuck = next > clock.now ? 0 : stuck + 1
            if stuck > 200 { return fail("a deadline that has passed is never met: \(engine.tty.link)") }
            clock.now = max(clock.now, next)
            settle()
        }
        clock.now = max(clock.now, end)
        settle()
    }

    private var nextDue: MonotonicTime? {
        sooner(sooner(transmit.deadline, transmit.limit), sooner(keepaliveDue, attemptDue))
    }
}

extension UInt64 {
    fileprivate static func microseconds(_ count: UInt64) -> UInt64 { count &* 1000 }
}
