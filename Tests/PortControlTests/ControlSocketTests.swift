import Glibc
import Platform
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import PortControl

/// A port's socket, with clients good and bad.
@Suite(.serialized) struct ControlSocketTests {
    /// A directory of the test's own, with one port in it that answers as told.
    private struct Rig {
        let base: String
        let name: DeviceName
        let server: PortControlServer
        let thread: Thread
        let chores = Monitor(0)

        init(_ answer: @escaping @Sendable (ControlRequest, PeerCredentials) -> String) throws {
            var template = Array("/tmp/ttynvt-control.XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
            base = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            name = try DeviceName("ttyX1")
            server = try PortControlServer()
            let chores = chores
            let chore = PortControlServer.Chore {
                chores.withLock { $0 += 1 }
                return nil
            }
            thread = try server.start(try ControlSocket(for: name, in: base), chore: chore, answer: answer)
        }

        var path: String { PortControl.socketPath(of: name, in: base) }
        var client: PortControlClient { PortControlClient(name, in: base) }

        func end() {
            server.stop()
            thread.join()
            rmdir(base + "/ttyX1")
            rmdir(base)
        }

        func connect() throws -> Descriptor { try ControlSocketTests.connect(path) }
    }

    private static func connect(_ path: String) throws -> Descriptor {
        let address = try #require(UnixAddress(path))
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) })
        try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
        return socket
    }

    private static func say(_ text: String, _ socket: borrowing Descriptor) {
        var text = text
        _ = text.withUTF8 { send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Everything until the end of the connection; nil if it does not end within two seconds.
    private static func hear(_ socket: borrowing Descriptor) throws -> String? {
        var heard: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            var polls = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
            if try waitForEvents(&polls, nanoseconds: .seconds(2)) == 0 { return nil }
            let count = recv(socket.raw, &chunk, chunk.count, 0)
            if count <= 0 { return String(decoding: heard, as: UTF8.self) }
            heard += chunk[..<count]
        }
    }

    @Test func requestsAreAnswered() throws {
        let asked = Monitor<[ControlRequest]>([])
        let rig = try Rig { request, peer in
            asked.withLock { $0.append(request) }
            if peer.pid != getpid() || peer.user != geteuid() { return "error who is that\n" }
            return request == .status
                ? "name ttyX1\nreceived 7\nend\n" : request == .retire ? "error it will not\n" : "ok\n"
        }
        defer { rig.end() }
        #expect(try rig.client.status().received == 7)
        let servers = [Endpoint(host: "192.0.2.1", port: 7)]
        try rig.client.setServers(servers)
        try rig.client.keep()
        #expect(throws: PortControlError.refused(rig.name, "it will not")) { try rig.client.retire() }
        #expect(asked.withLock { $0 } == [.status, .servers(servers), .keep, .retire])
        #expect(try rig.client.pid() == getpid())
        #expect(PortControl.list(in: rig.base) == [rig.name])
    }

    @Test func aSocketIsForEverybodyAndGoesWithItsPort() throws {
        let rig = try Rig { _, _ in "ok\n" }
        var status = stat()
        #expect(stat(rig.path, &status) == 0 && status.st_mode & 0o777 == 0o666)
        rig.end()
        #expect(stat(rig.path, &status) != 0)
        #expect(throws: PortControlError.noSuchPort(rig.name)) { try rig.client.status() }
        #expect(PortControl.list(in: rig.base).isEmpty)
    }

    @Test func whoSaysNothingIsDropped() throws {
        let rig = try Rig { _, _ in "ok\n" }
        defer { rig.end() }
        let silent = try rig.connect()
        let began = MonotonicTime.now
        #expect(try Self.hear(silent) == "")
        let took = MonotonicTime.now.since(began)
        #expect(took > .milliseconds(800) && took < .milliseconds(1900))
    }

    @Test func manySilentOnesAreInNobodysWay() throws {
        let rig = try Rig { _, _ in "ok\n" }
        defer { rig.end() }
        var silent: [Int32] = []
        for _ in 0..<50 { silent.append(try rig.connect().release()) }
        let began = MonotonicTime.now
        try rig.client.keep()
        // One that takes its time is newer than they are, and so is kept.
        let slow = try rig.connect()
        usleep(50_000)
        Self.say("keep\n", slow)
        #expect(try Self.hear(slow) == "ok\n")
        #expect(MonotonicTime.now.since(began) < .milliseconds(500))
        silent.forEach { close($0) }
    }

    @Test func aLineInPiecesIsOne() throws {
        let rig = try Rig { request, _ in request == .status ? "yes\n" : "no\n" }
        defer { rig.end() }
        let socket = try rig.connect()
        for piece in ["st", "at", "us", "\nretire\n"] {
            Self.say(piece, socket)
            usleep(2000)
        }
        #expect(try Self.hear(socket) == "yes\n")
    }

    @Test(arguments: ["frobnicate\n", "\u{0}\u{1}\n", "\n", String(repeating: "x", count: 1 << 20)])
    func garbageIsRefused(_ text: String) throws {
        let rig = try Rig { _, _ in "ok\n" }
        defer { rig.end() }
        let socket = try rig.connect()
        Self.say(text, socket)
        #expect(try Self.hear(socket)?.hasPrefix("error ") == true)
        try rig.client.keep()
    }

    @Test func aStaleSocketIsReplacedALiveOneIsNot() throws {
        let rig = try Rig { _, _ in "ok\n" }
        #expect(throws: ControlSocketError.inUse(rig.path)) { _ = try ControlSocket(for: rig.name, in: rig.base) }
        try rig.client.keep()
        rig.end()
        mkdir(rig.base, 0o755)
        mkdir(rig.base + "/ttyX1", 0o755)
        // What a killed port leaves.
        let address = try #require(UnixAddress(rig.path))
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) })
        try syscall("bind") { address.withSockaddr { Glibc.bind(socket.raw, $0, $1) } }
        #expect(throws: PortControlError.noSuchPort(rig.name)) { try rig.client.keep() }
        #expect(PortControl.list(in: rig.base) == [rig.name])
        let again = try ControlSocket(for: rig.name, in: rig.base)
        #expect(throws: PortControlError.self) { try PortControlClient(rig.name, in: rig.base, timeout: 1000).keep() }
        again.remove()
        rmdir(rig.base)
    }

    @Test func theChoreIsDoneWhenWokenAndNotElse() throws {
        let rig = try Rig { _, _ in "ok\n" }
        defer { rig.end() }
        usleep(50_000)
        let before = rig.chores.withLock { $0 }
        usleep(200_000)
        #expect(rig.chores.withLock { $0 } == before)
        rig.server.wake()
        usleep(50_000)
        #expect(rig.chores.withLock { $0 } == before + 1)
    }

    /// A port that never closes, says nothing, or says too much.
    @Test(arguments: ["", "ok", String(repeating: "x", count: 100_000), "name ttyX1\n"])
    func clientsDoNotTrustReplies(_ reply: String) throws {
        let rig = try Rig { _, _ in reply }
        defer { rig.end() }
        #expect(throws: PortControlError.self) { try rig.client.status() }
    }
}
