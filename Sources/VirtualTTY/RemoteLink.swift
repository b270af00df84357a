import RFC2217
import SerialLine
import SystemPackage

/// The state of the connection to the remote port.
package enum Link: Equatable, Sendable {
    case down
    /// A lookup or a TCP connection is in progress; parked opens carry their own deadlines.
    case connecting
    /// Connected: options and settings are sent, and the answers to `required` are missing.
    case opening(required: Set<ComPortClient.Ticket>, deadline: MonotonicTime)
    case up
    /// The connection was lost, or could not be made; the next attempt starts at `retryAt`.
    case lost(retryAt: MonotonicTime)
    /// The port has ordered the end of the connection, or of the attempt to make one.
    case disconnecting
}

/// The connection to the remote port: which server and address to try, when to give up an attempt, and the state of
/// the current connection. ARCHITECTURE.md draws the states. This type decides and does no I/O: it leaves `command`
/// for the thread that owns the socket.
package struct RemoteLink: Sendable {
    /// Pauses between attempts to reconnect: doubled from the first to the last.
    private static let firstRetry: UInt64 = .milliseconds(100)
    private static let lastRetry: UInt64 = .seconds(5)
    /// Time for a name server to answer if the last good addresses are known, in nanoseconds.
    private static let lookupPatience: UInt64 = .milliseconds(500)

    package private(set) var state = Link.down
    /// The number of the last connection that was asked for.
    package private(set) var number = 0
    /// The command that was not handed out yet.
    private var command: RemoteCommand?

    // Servers and attempts.
    package private(set) var servers: [Endpoint] = []
    private var lastGood: [Endpoint: [ServerAddress]] = [:]
    private var pass: ServerPass?
    /// The number of the last lookup.
    private var lookup = 0
    /// When the current lookup or attempt ends; nil while none is in progress.
    private var stepDeadline: MonotonicTime?
    /// The number of the connection being made; nil while an address is looked up.
    private var reaching: Int?

    // The current connection.
    var client = ComPortClient()
    /// The address of the peer.
    private(set) var peer: String?
    /// The settings last sent to the server, so that only changes are sent; nil if nothing was sent.
    var lastSentSettings: LineSettings?
    var toldLineStateMask: LineState = []
    var liveness: Liveness
    private var nextTicket: ComPortClient.Ticket = 1
    /// Requests, queued or sent, without an answer.
    private(set) var unresolved: Set<ComPortClient.Ticket> = []

    // State that outlives a connection.
    /// Failed passes since the link was up.
    private(set) var attempts = 0
    /// The link was up, and has been lost.
    private(set) var isLost = false
    private(set) var reconnects: UInt64 = 0
    /// When a lost connection is given up; nil if it is retried without limit, or if none is lost.
    var lossDeadline: MonotonicTime?
    /// The connection is kept until this moment although no file is open.
    var lingerUntil: MonotonicTime?

    /// Each command is also logged in words.
    private let traces: Bool

    init(_ configuration: PortConfiguration) {
        servers = configuration.servers
        traces = configuration.logLevel >= .trace
        liveness = Liveness(deadAfter: configuration.deadAfter)
    }

    var isUp: Bool { state == .up }
    /// The connection has received all settings, so changes are sent on it.
    var takesCommands: Bool {
        switch state {
        case .opening, .up: true
        case .down, .connecting, .lost, .disconnecting: false
        }
    }

    mutating func takeCommand() -> RemoteCommand? {
        guard command != nil else { return nil }
        defer { command = nil }
        return command
    }

    mutating func makeTicket() -> ComPortClient.Ticket {
        defer { nextTicket &+= 1 }
        unresolved.insert(nextTicket)
        return nextTicket
    }

    mutating func resolve(_ ticket: ComPortClient.Ticket) { unresolved.remove(ticket) }
    var hasUnresolved: Bool { !unresolved.isEmpty }
    func isOpen(_ ticket: ComPortClient.Ticket) -> Bool { unresolved.contains(ticket) }

    // Transitions. The arrow names the state in which each ends.

    /// → connecting: begins with the first server.
    /// - Returns: false if there is no server to try.
    mutating func startConnecting(_ patience: UInt64, now: MonotonicTime) -> Bool {
        pass = ServerPass(servers)
        return tryNext(patience, now: now)
    }

    /// → connecting: continues with the next address or server.
    /// - Returns: false if all have been tried: `takeFailure` returns the reasons, and the caller decides what
    ///   follows.
    mutating func tryNext(_ patience: UInt64, now: MonotonicTime) -> Bool {
        guard var pass else { return false }
        defer { self.pass = pass }
        if let address = pass.nextAddress() {
            number += 1
            reaching = number
            command = .connect(number, address)
        } else if let server = pass.nextServer() {
            lookup += 1
            reaching = nil
            command = .lookUp(lookup, server)
        } else {
            endStep()
            return false
        }
        state = .connecting
        let hasLastGood = pass.server.map { lastGood[$0] != nil } ?? false
        stepDeadline = now + (reaching == nil && hasLastGood ? Self.lookupPatience : pass.limit(of: patience))
        return true
    }

    private mutating func endStep() {
        reaching = nil
        stepDeadline = nil
    }

    /// The pass has failed.
    /// - Returns: the last error, and all reasons in one line.
    mutating func takeFailure() -> (error: Errno, reason: String) {
        attempts += 1
        defer { pass = nil }
        return (pass?.error ?? .noRouteToHost, pass?.reasons.joined(separator: "; ") ?? "no server is configured")
    }

    /// A lookup has ended, with addresses or without.
    /// - Returns: whether this is the lookup in progress; if so, the caller calls `tryNext`.
    mutating func lookedUp(
        _ number: Int, _ server: Endpoint, _ result: Result<[ServerAddress], LookupFailure>
    ) -> Bool {
        if case .success(let addresses) = result, !addresses.isEmpty, servers.contains(server) {
            lastGood[server] = addresses
        }
        guard state == .connecting, reaching == nil, number == lookup else { return false }
        switch result {
        case .success(let addresses) where addresses.isEmpty:
            pass?.failed(.noRouteToHost, "\(server) has no address")
        case .success(let addresses): pass?.take(addresses)
        case .failure(let failure): pass?.failed(.noRouteToHost, "\(failure)")
        }
        return true
    }

    /// A TCP connection was made.
    /// - Returns: whether it is the expected one; if not, it is ended.
    mutating func connected(_ number: Int, to peer: String) -> Bool {
        guard state == .connecting, reaching == number else {
            refuse(number)
            return false
        }
        endStep()
        self.peer = peer
        client = ComPortClient(traces: traces)
        return true
    }

    /// Ends a connection that is not wanted, unless its end was asked for already.
    private mutating func refuse(_ number: Int) {
        switch state {
        case .down, .lost: command = .disconnect(number, graceful: false)
        case .connecting, .opening, .up, .disconnecting: break
        }
    }

    /// - Returns: whether this is the attempt in progress; if so, the caller calls `tryNext`.
    mutating func connectFailed(_ number: Int, _ error: Errno) -> Bool {
        guard state == .connecting, reaching == number else { return false }
        pass?.connectFailed(error)
        return true
    }

    /// The time for the current step is over.
    /// - Returns: whether `tryNext` follows now; if not, the attempt in progress is ended first.
    mutating func stepTimedOut() -> Bool {
        guard let number = reaching else {
            guard let server = pass?.server else { return true }
            if let addresses = lastGood[server] {
                pass?.take(addresses)
            } else {
                pass?.failed(
                    .timedOut, "cannot find the address of '\(server.host)': no name server answered in time")
            }
            return true
        }
        pass?.connectFailed(.timedOut)
        end(number, graceful: false)
        return false
    }

    /// The time for the server to agree to the option, in nanoseconds: only a share of `patience` if other addresses
    /// are left.
    func openingLimit(_ patience: UInt64) -> UInt64 { pass?.limit(of: patience) ?? patience }

    /// → opening: the answers to `required` complete it.
    mutating func opening(required: Set<ComPortClient.Ticket>, deadline: MonotonicTime) {
        state = .opening(required: required, deadline: deadline)
    }

    /// → up.
    mutating func opened() {
        if isLost { reconnects += 1 }
        isLost = false
        attempts = 0
        lossDeadline = nil
        pass = nil
        state = .up
    }

    /// The server does not speak RFC 2217, or has ended the connection before it was open. The pass continues with
    /// the next address after `disconnected`.
    /// - Returns: whether there is a next address; if not, the pass has failed.
    mutating func failOpening(_ error: Errno, _ reason: String) -> Bool {
        if pass == nil { pass = ServerPass([]) }
        pass?.failed(error, reason)
        return pass?.hasMore ?? false
    }

    /// The connection that was up is lost.
    mutating func lose() { isLost = true }

    /// → disconnecting.
    mutating func disconnect(graceful: Bool) { end(number, graceful: graceful) }

    private mutating func end(_ number: Int, graceful: Bool) {
        command = .disconnect(number, graceful: graceful)
        endStep()
        state = .disconnecting
    }

    /// The connection, or the attempt to make it, is no longer needed. → disconnecting; → down if nothing was
    /// started.
    mutating func giveUp(graceful: Bool) {
        pass = nil
        lingerUntil = nil
        switch state {
        case .opening: disconnect(graceful: false)
        case .up: disconnect(graceful: graceful)
        case .connecting where reaching != nil: disconnect(graceful: false)
        case .connecting:
            command = nil
            down()
        case .lost: down()
        case .down, .disconnecting: break
        }
    }

    /// The connection has ended.
    /// - Returns: whether its end was ordered.
    mutating func disconnected(_ number: Int) -> Bool { state == .disconnecting && number == self.number }

    /// A pass has started and has neither succeeded nor failed: `tryNext` continues it.
    var isInPass: Bool { pass != nil }

    /// → down.
    mutating func down() {
        endStep()
        pass = nil
        attempts = 0
        isLost = false
        lossDeadline = nil
        state = .down
    }

    /// → lost: the next attempt comes after a pause that grows with the attempts.
    mutating func retryLater(now: MonotonicTime) {
        endStep()
        pass = nil
        let pause = min(Self.firstRetry << UInt64(min(max(attempts - 1, 0), 10)), Self.lastRetry)
        state = .lost(retryAt: now + pause)
    }

    /// Forgets the negotiated options, the requests and the sent settings of the connection that has ended.
    mutating func forgetConnection() {
        unresolved.removeAll()
        peer = nil
        lastSentSettings = nil
        lingerUntil = nil
        liveness.reset()
    }

    /// Earlier failures have been reported already.
    mutating func forgetAttempts() { attempts = 0 }

    /// Replaces the servers. An established connection is kept.
    /// - Returns: whether an attempt in progress must start anew.
    mutating func setServers(_ servers: [Endpoint]) -> Bool {
        guard servers != self.servers else { return false }
        self.servers = servers
        lastGood = lastGood.filter { servers.contains($0.key) }
        attempts = min(attempts, 1)
        pass = nil
        switch state {
        case .connecting, .lost: return true
        case .down, .opening, .up, .disconnecting: return false
        }
    }

    /// → disconnecting, if a connection is being made; otherwise the next attempt may start at once.
    /// - Returns: whether an attempt has to end first.
    mutating func abandonAttempt() -> Bool {
        guard state == .connecting, reaching != nil else { return false }
        disconnect(graceful: false)
        return true
    }

    /// The next moment at which the connection needs attention, if any.
    /// - Parameter isHeld: programs wait for a lost connection.
    func nextDeadline(isHeld: Bool) -> MonotonicTime? {
        let patience = isHeld ? lossDeadline : nil
        switch state {
        case .opening(_, let deadline):
            return sooner(sooner(deadline, client.nextDeadline), sooner(patience, liveness.nextLook))
        case .up: return sooner(sooner(client.nextDeadline, lingerUntil), liveness.nextLook)
        case .lost(let retryAt): return sooner(retryAt, patience)
        case .connecting: return sooner(stepDeadline, patience)
        case .disconnecting: return patience
        case .down: return nil
        }
    }

    /// Returns whether the time for the current lookup or attempt is over.
    func isStepOver(_ now: MonotonicTime) -> Bool { state == .connecting && stepDeadline.map { $0 <= now } ?? false }
}
