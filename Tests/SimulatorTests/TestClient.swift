import Glibc
import Platform
import RFC2217
import SerialLine
import Simulator
import SystemPackage

/// A plain TCP client that speaks RFC 2217 as far as a test makes it. Every wait is bounded.
final class TestClient {
    private let socket: Descriptor
    private var decoder = TelnetDecoder()
    /// All bytes received, as they came.
    private(set) var wire: [UInt8] = []
    /// The size of each read.
    private(set) var segments: [Int] = []
    /// Data received, unescaped.
    private(set) var data: [UInt8] = []
    /// COM-PORT commands received.
    private(set) var commands: [ComPortCommand] = []
    private(set) var isClosed = false
    private(set) var wasReset = false

    init(_ port: UInt16) throws {
        let address = try Endpoint(host: "127.0.0.1", port: port).resolve()[0]
        let socket = Descriptor(
            owning: try syscall("socket") {
                Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        try syscall("connect") { address.withSockaddr { connect(socket.raw, $0, $1) } }
        var on: Int32 = 1
        setsockopt(socket.raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        self.socket = socket
    }

    /// A client that has agreed on COM-PORT-OPTION and has been told the modem state.
    static func negotiated(_ port: UInt16) throws -> TestClient {
        let client = try TestClient(port)
        try client.send([255, 251, 44])
        _ = client.wait { $0.commands.contains { if case .notifyModemState = $0 { true } else { false } } }
        client.commands.removeAll()
        return client
    }

    func send(_ bytes: [UInt8]) throws {
        var start = 0
        while start < bytes.count {
            start += try syscall("send") {
                bytes[start...].withUnsafeBytes {
                    Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }

    /// Sends what the socket takes without waiting.
    func sendSome(_ bytes: [UInt8]) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        return max(bytes.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, flags) }, 0)
    }

    /// Bounds what the socket holds of bytes that its peer does not take, in bytes.
    func limitSendBuffer(_ size: Int32) {
        var size = size
        setsockopt(socket.raw, SOL_SOCKET, SO_SNDBUF, &size, 4)
    }

    /// The socket takes bytes now.
    var canSend: Bool {
        var poll = [pollfd(fd: socket.raw, events: Int16(POLLOUT), revents: 0)]
        return ((try? waitForEvents(&poll, nanoseconds: 0)) ?? 0) > 0
    }

    func send(_ commands: ComPortCommand...) throws {
        var bytes: [UInt8] = []
        for command in commands { bytes.appendComPort(command, from: .client) }
        try send(bytes)
    }

    /// Receives until `ready` returns true, or no byte has arrived for this time.
    /// - Returns: the last result of `ready`.
    func wait(seconds: UInt64 = 10, until ready: (TestClient) -> Bool) -> Bool {
        let deadline = MonotonicTime.now + .seconds(seconds)
        while !ready(self) {
            let left = deadline.since(.now)
            guard left > 0, !isClosed, receive(within: left) else { return ready(self) }
        }
        return true
    }

    /// Receives for that long, whatever comes.
    func listen(milliseconds: UInt64) {
        let deadline = MonotonicTime.now + .milliseconds(milliseconds)
        while !isClosed, deadline.since(.now) > 0, receive(within: deadline.since(.now)) {}
    }

    private func receive(within nanoseconds: UInt64) -> Bool {
        var poll = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
        guard ((try? waitForEvents(&poll, nanoseconds: nanoseconds)) ?? 0) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = buffer.withUnsafeMutableBytes { recv(socket.raw, $0.baseAddress, $0.count, 0) }
        guard count > 0 else {
            wasReset = count < 0
            isClosed = true
            return false
        }
        wire += buffer[..<count]
        segments.append(count)
        decode(Array(buffer[..<count]))
        return true
    }

    private func decode(_ bytes: [UInt8]) {
        let span = bytes.span
        var offset = 0
        while let element = decoder.next(span, &offset) {
            switch element {
            case .data(let range): data += bytes[range]
            case .subnegotiation(.comPort):
                if let command = ComPortCommand(payload: decoder.payload, from: .server) { commands.append(command) }
            default: break
            }
        }
    }

    func forget() {
        data.removeAll()
        commands.removeAll()
        wire.removeAll()
        segments.removeAll()
    }

    /// Waits for exactly this data, all that came since `forget`.
    func receives(_ bytes: [UInt8]) -> Bool { wait { $0.data.count >= bytes.count } && data == bytes }

    func receives(_ command: ComPortCommand) -> Bool { wait { $0.commands.contains(command) } }

    /// Closes with a reset.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket.raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        hangUp()
    }

    /// Closes: the descriptor stays, to be closed with the client, but is no longer the connection's.
    func hangUp() {
        var ends: [Int32] = [0, 0]
        guard Glibc.socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return }
        dup2(ends[0], socket.raw)
        close(ends[0])
        close(ends[1])
        isClosed = true
    }

    /// Sends FIN only.
    func finish() { shutdown(socket.raw, Int32(SHUT_WR)) }
}

/// Runs `body` with a simulator of its own, and stops it.
func withSimulator(
    _ wirings: [Wiring] = [.loopback], ports: Int = 1, quirks: [ServerQuirk] = [],
    _ change: (inout SimulatorConfiguration) -> Void = { _ in },
    _ body: (SimulatorServer, [UInt16], SimulatorLog) throws -> Void
) throws {
    let log = SimulatorLog()
    var configuration = SimulatorConfiguration()
    configuration.ports = ports
    configuration.wirings = wirings
    configuration.profile = ServerProfile(quirks)
    configuration.observer = log.observer
    change(&configuration)
    let server = SimulatorServer(configuration)
    let tcpPorts = try server.start()
    defer { server.stop() }
    try body(server, tcpPorts, log)
}

/// Waits until `ready`, which is asked again and again.
/// - Returns: the last result of `ready`.
func eventually(seconds: UInt64 = 10, _ ready: () -> Bool) -> Bool {
    let deadline = MonotonicTime.now + .seconds(seconds)
    while deadline.since(.now) > 0 {
        if ready() { return true }
        usleep(5000)
    }
    return ready()
}
