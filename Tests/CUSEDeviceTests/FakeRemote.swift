import Platform
import PortRuntime
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import VirtualTTY

/// The remote port without a network: a server played in memory, and a thread that does what a connection's two
/// threads do. The socket may take less than it is given.
///
/// Concurrency model: as `RemotePort`: its lock is taken after the port's, and never held while the port is called.
final class FakeRemote: RemoteSide {
    private enum Job {
        case lookUp(Int, Endpoint)
        case connect(Int)
        case disconnect(Int)
        case receive([UInt8], Int)
        case resume
        case advance
        case stop
    }

    private struct State {
        var server: ServerPlayer?
        var command: RemoteCommand?
        var number = 0
        var inbound: [[UInt8]] = []
        var isBlocked = false
        var deadline: MonotonicTime?
        var isStopped = false
        var random = SplitMix64(seed: 1)
    }

    private let state = Monitor(State())
    private let port: Port
    /// Data comes back, as from a loopback plug.
    let echoes: Bool
    /// The socket takes only part of each write.
    let sendsShort: Bool

    init(_ port: Port, echoes: Bool = false, sendsShort: Bool = false) {
        self.port = port
        self.echoes = echoes
        self.sendsShort = sendsShort
    }

    func carryOut(_ command: RemoteCommand) { change { $0.command = command } }

    var unacknowledged: Int { 0 }
    var lifeSigns: LifeSigns { .quiet }

    func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int {
        var all: [UInt8] = []
        all.append(contentsOf: bytes, 0..<bytes.count)
        let taken = state.withLock { state -> Int in
            let count = sendsShort ? state.random.below(all.count + 1) : all.count
            state.isBlocked = count < all.count
            self.serve(&state) { $0.receive(Array(all[..<count]), now: .now) }
            return count
        }
        state.wakeAll()
        return taken
    }

    func schedule(_ deadline: MonotonicTime?) { change { $0.deadline = deadline } }

    /// The far end does something.
    func far(_ body: (inout ServerPlayer) -> Void) { change { serve(&$0, body) } }

    /// Reads the server's state; nil without a connection.
    func look<Result>(_ body: (ServerPlayer) -> Result) -> Result? { state.withLock { $0.server.map(body) } }

    func stop() { change { $0.isStopped = true } }

    private func change(_ body: (inout State) -> Void) {
        state.withLock(body)
        state.wakeAll()
    }

    private func serve(_ state: inout State, _ body: (inout ServerPlayer) -> Void) {
        guard var server = state.server else { return }
        body(&server)
        if echoes {
            let data = server.data
            if !data.isEmpty { server.send(data) }
            server.forget()
        }
        if !server.output.isEmpty {
            state.inbound.append(server.output)
            server.output.removeAll()
        }
        state.server = server
    }

    /// Works until `stop`.
    func run() {
        while true {
            switch nextJob() {
            case .lookUp(let number, let server):
                port.withTTY {
                    $0.lookedUp(number, server, .success([ServerAddress(bytes: [], description: "memory")]))
                }
            case .connect(let number): port.withTTY { $0.connected(number, to: "memory") }
            case .disconnect(let number): port.withTTY { $0.disconnected(number) }
            case .receive(let bytes, let number): port.withTTY { $0.receive(bytes.span, connection: number) }
            case .resume: port.resumeSending()
            case .advance: port.withTTY { $0.advance() }
            case .stop: return
            case nil: sleep()
            }
        }
    }

    private func sleep() {
        let deadline = state.withLock { $0.deadline }
        state.wait(until: deadline) { state in
            state.isStopped || state.command != nil || state.isBlocked
                || !state.inbound.isEmpty || state.deadline != deadline
        }
    }

    private func nextJob() -> Job? {
        state.withLock { state in
            if state.isStopped { return .stop }
            if let command = state.command {
                state.command = nil
                return take(command, &state)
            }
            if !state.inbound.isEmpty { return .receive(state.inbound.removeFirst(), state.number) }
            if state.isBlocked {
                state.isBlocked = false
                return .resume
            }
            if let deadline = state.deadline, deadline <= .now { return .advance }
            return nil
        }
    }

    private func take(_ command: RemoteCommand, _ state: inout State) -> Job {
        switch command {
        case .lookUp(let number, let server): return .lookUp(number, server)
        case .connect(let number, _):
            state.number = number
            state.isBlocked = false
            state.server = ServerPlayer(now: .now)
            serve(&state) { _ in }
            return .connect(number)
        case .disconnect(let number, _):
            state.server = nil
            state.inbound.removeAll()
            return .disconnect(number)
        }
    }
}
