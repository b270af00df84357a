import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// What a request was answered with, its bytes taken out of the effects.
enum Outcome: Equatable {
    case error(Errno)
    case opened(FileID)
    case done
    case data([UInt8])
    case written(Int)
    case ioctl([UInt8])
    case retry(copyIn: Int, copyOut: Int)
    case poll(UInt32)
}

/// The time, which only the test moves. One thread uses it.
final class FakeClock: @unchecked Sendable {
    var now = MonotonicTime(nanoseconds: .seconds(1000))
}

/// What the kernel knows of the socket and its peer, and how often that was asked. One thread uses it.
final class FakeSocket: @unchecked Sendable {
    var unacknowledged = 0
    var questions = 0
    var lifeSigns = LifeSigns.quiet
    var looks = 0
}

/// One `VirtualTTY` on the bench: the test plays the kernel, the network and the clock, and every request must be
/// answered exactly once.
final class PortBench {
    /// What happens to an attempt to connect.
    enum Network {
        case accepts
        case refuses(Errno)
        /// No answer at all.
        case silent
    }

    let clock = FakeClock()
    var tty: VirtualTTY

    // The far end.
    var network = Network.accepts
    /// What happens at addresses that differ from the others.
    var networks: [String: Network] = [:]
    /// What a name server says to a server's name; nil for no answer. By default a server has one address, its own name.
    var names: (Endpoint) -> Result<[ServerAddress], LookupFailure>? = { server in
        .success([ServerAddress(bytes: [], description: "\(server)")])
    }
    /// The lookups and the addresses tried, in order.
    private(set) var lookups: [(number: Int, server: Endpoint)] = []
    private(set) var tried: [String] = []
    var profile = ServerProfile()
    var inputs: ModemLines = []
    /// Done to each new connection's server.
    var prepare: (inout ServerPlayer) -> Void = { _ in }
    var server: ServerPlayer?
    /// Takes the server's place, if there is one.
    var line: PacedLine?
    /// How long what the server says is on its way.
    var delay: UInt64 = 0
    /// What the server says is lost.
    var isMute = false
    private var inbound: [(at: MonotonicTime, bytes: [UInt8])] = []
    /// Bytes the socket still takes.
    var room = Int.max
    let socket = FakeSocket()
    /// Each piece handed to the socket.
    var segments: [[UInt8]] = []
    private(set) var connections = 0
    private(set) var disconnections: [Bool] = []

    // The kernel's line disciplines.
    /// Answers a call; nil if the answer comes later.
    var discipline: (DisciplineCall) -> DisciplineAnswer? = { _ in .failed(.invalidArgument, reason: nil) }
    private(set) var disciplineCalls: [DisciplineCall] = []
    private(set) var heldCalls: [RequestID] = []
    private(set) var feeds = 0
    private(set) var withdrawals: [Bool] = []
    /// It has more to transmit when it is asked back, and goes only then, or when it has to.
    var keepsTransmitting = false

    // The kernel.
    private var lastID: UInt64 = 0
    private(set) var asked: [RequestID] = []
    private(set) var outcomes: [RequestID: Outcome] = [:]
    private(set) var times: [RequestID: MonotonicTime] = [:]
    var notified: [FileID] = []
    private(set) var log: [String] = []
    /// The reported status, each time it changed.
    private(set) var changes: [PortState] = []
    /// How many times the port has asked its process to end.
    private(set) var ends = 0
    /// Told of every answer as it comes.
    var whenAnswered: (RequestID, Outcome) -> Void = { _, _ in }
    /// What went wrong, said once.
    private(set) var failure: String?
    /// The name of the bench, for tests with several.
    var name = ""

    init(_ configure: (inout PortConfiguration) -> Void = { _ in }) {
        var configuration = PortConfiguration()
        configuration.logLevel = .info
        configuration.servers = [Endpoint(host: "bench", port: 1)]
        configure(&configuration)
        let clock = clock
        let socket = socket
        tty = VirtualTTY(
            configuration: configuration, clock: { clock.now },
            socket: VirtualTTY.SocketQuestions(
                unacknowledged: {
                    socket.questions += 1
                    return socket.unacknowledged
                },
                lifeSigns: {
                    socket.looks += 1
                    return socket.lifeSigns
                }))
    }

    /// What the log says of a refused connection.
    static let refused =
        "cannot connect to bench:1: Connection refused (no server is listening, or the server accepts no client now: "
        + "it may be serving another one, or waiting for output that cannot drain)"

    func fail(_ what: String) {
        guard failure == nil else { return }
        failure = what
        Issue.record("\(name)\(what)")
    }

    // Requests.

    func newRequest() -> RequestID {
        lastID += 1
        let id = RequestID(rawValue: lastID)
        asked.append(id)
        return id
    }

    /// Tells the port something, and carries out what follows.
    func tell(_ body: (inout VirtualTTY) -> Void) {
        body(&tty)
        settle()
    }

    /// Tells the port something, and takes the command that follows instead of carrying it out.
    func command(after body: (inout VirtualTTY) -> Void) -> RemoteCommand? {
        body(&tty)
        tty.progress()
        return tty.takeCommand()
    }

    func outcome(_ id: RequestID) -> Outcome? { outcomes[id] }
    func isParked(_ id: RequestID) -> Bool { tty.isParked(id) }
    /// Milliseconds from `start` to the answer.
    func milliseconds(_ id: RequestID, since start: MonotonicTime) -> UInt64? {
        times[id].map { $0.since(start) / .milliseconds(1) }
    }

    /// Every request is answered once, or parked.
    func checkAnswers() {
        let open = asked.filter { outcomes[$0] == nil }
        for id in open where !tty.isParked(id) { fail("request \(id.rawValue) was forgotten") }
        if tty.parkedCount != open.count { fail("\(tty.parkedCount) parked, \(open.count) unanswered") }
        if outcomes.count + open.count != asked.count { fail("answers without a request") }
    }

    // The world.

    /// Carries out effects, sends, and delivers, until nothing is left to do.
    func settle() {
        var rounds = 0
        while takeEffects() || takeCommand() || sendUnsent() || deliver() {
            rounds += 1
            if rounds > 100_000 { return fail("effects without end") }
        }
    }

    private func takeEffects() -> Bool {
        tty.progress()
        guard !tty.effects.isEmpty else { return false }
        let effects = tty.effects
        tty.effects.removeAll()
        for effect in effects.list {
            switch effect {
            case .answer(let id, let answer): keep(id, answer, effects.bytes)
            case .notifyPoll(let file): notified.append(file)
            case .log(_, let text): log.append(text)
            case .callDiscipline(let id, let call):
                disciplineCalls.append(call)
                if let answer = discipline(call) { tty.disciplineAnswered(id, answer) } else { heldCalls.append(id) }
            case .feedDiscipline: feeds += 1
            case .withdrawDiscipline(let discardingRest):
                withdrawals.append(discardingRest)
                if discardingRest || !keepsTransmitting { tty.disciplineWithdrawn() }
            case .changed: changes.append(tty.state)
            case .end: ends += 1
            }
        }
        return true
    }

    private func keep(_ id: RequestID, _ answer: Answer, _ bytes: [UInt8]) {
        if outcomes[id] != nil { fail("request \(id.rawValue) was answered twice: \(answer)") }
        times[id] = clock.now
        let outcome: Outcome =
            switch answer {
            case .error(let error): .error(error)
            case .opened(let file): .opened(file)
            case .done: .done
            case .data(let range): .data(Array(bytes[range]))
            case .written(let count): .written(count)
            case .ioctl(let range): .ioctl(Array(bytes[range]))
            case .ioctlRetry(let copyIn, let copyOut): .retry(copyIn: copyIn, copyOut: copyOut)
            case .poll(let events): .poll(events)
            }
        outcomes[id] = outcome
        whenAnswered(id, outcome)
    }

    private func takeCommand() -> Bool {
        guard let command = tty.takeCommand() else { return false }
        switch command {
        case .lookUp(let number, let server):
            lookups.append((number, server))
            if let result = names(server) { tty.lookedUp(number, server, result) }
        case .connect(let number, let address): connect(number, address)
        case .disconnect(let number, let graceful): disconnect(number, graceful)
        }
        return true
    }

    private func connect(_ number: Int, _ address: ServerAddress) {
        connections += 1
        tried.append("\(address)")
        switch networks["\(address)"] ?? network {
        case .accepts:
            if let line {
                inbound += line.accept(clock.now)
                return tty.connected(number, to: "bench")
            }
            var player = ServerPlayer(profile, inputs: inputs, now: clock.now)
            prepare(&player)
            server = player
            tty.connected(number, to: "bench")
            collect()
        case .refuses(let error): tty.connectFailed(number, error)
        case .silent: break
        }
    }

    private func disconnect(_ number: Int, _ graceful: Bool) {
        disconnections.append(graceful)
        if graceful { while sendUnsent() {} }
        closeConnection()
        tty.disconnected(number)
    }

    private func closeConnection() {
        server = nil
        inbound.removeAll()
    }

    private func sendUnsent() -> Bool {
        var buffer: [UInt8] = []
        guard room > 0, tty.takeUnsent(into: &buffer) else { return false }
        let count = min(room, buffer.count)
        if room != Int.max { room -= count }
        if let line {
            inbound += line.receive(Array(buffer[..<count]), clock.now)
            tty.returnUnsent(&buffer, sent: count)
            return true
        }
        segments.append(Array(buffer[..<count]))
        server?.receive(Array(buffer[..<count]), now: clock.now)
        collect()
        tty.returnUnsent(&buffer, sent: count)
        return true
    }

    /// Puts what the server has said on its way.
    private func collect() {
        guard let bytes = server?.output, !bytes.isEmpty else { return }
        server?.output.removeAll()
        if !isMute { inbound.append((clock.now + delay, bytes)) }
    }

    private func deliver() -> Bool {
        guard let first = inbound.first, first.at <= clock.now else { return false }
        inbound.removeFirst()
        tty.receive(first.bytes.span, connection: tty.connection)
        return true
    }

    /// The far end does something.
    func far(_ body: (inout ServerPlayer) -> Void) {
        guard var player = server else { return fail("there is no connection") }
        server = nil
        body(&player)
        server = player
        collect()
        settle()
    }

    /// Data comes from the paced line.
    func arrive(_ data: [UInt8]) {
        if let line {
            let sent = line.send(data, clock.now)
            // Answers that wait for the line come later.
            inbound.insert(sent, at: inbound.firstIndex { $0.at > sent.at } ?? inbound.endIndex)
        }
        settle()
    }

    /// The connection breaks.
    func breakLink() {
        closeConnection()
        tell { $0.connectionLost($0.connection, "broken by the test") }
    }

    /// The server closes the connection.
    func closeByServer() {
        closeConnection()
        tell { $0.connectionClosed($0.connection) }
    }

    /// The socket has room for this many more bytes.
    func makeRoom(_ count: Int) {
        room = room > Int.max - count ? Int.max : room + count
        settle()
    }

    /// Time passes; what becomes due on the way happens in its order.
    func advance(_ nanoseconds: UInt64) {
        let end = clock.now + nanoseconds
        var rounds = 0
        while failure == nil {
            let deadline = tty.nextDeadline()
            guard let next = [deadline, inbound.first?.at].compactMap(\.self).min(), next <= end else { break }
            rounds = next > clock.now ? 0 : rounds + 1
            if rounds > 50 { fail("a deadline that has passed is never met: \(tty.link)") }
            clock.now = max(clock.now, next)
            if let deadline, deadline <= clock.now { tty.advance() }
            settle()
        }
        clock.now = end
        settle()
    }

}
