import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// The servers and addresses that one open tries, and the time that each of them has.
@Suite struct ServerPassTests {
    private static let a = Endpoint(host: "a", port: 1)
    private static let b = Endpoint(host: "b", port: 2)

    private func withServers(
        _ servers: [Endpoint] = [a, b], _ configure: (inout PortConfiguration) -> Void = { _ in },
        _ body: (PortBench) throws -> Void
    ) throws {
        try withPort({
            $0.servers = servers
            configure(&$0)
        }) { port in try body(port) }
    }

    /// The name's server has these addresses.
    private static func addresses(_ names: String...) -> Result<[ServerAddress], LookupFailure> {
        .success(names.map { ServerAddress(bytes: [], description: $0) })
    }

    /// A server that takes the connection and says it speaks no RFC 2217.
    private static func refuse(_ server: inout ServerPlayer, _ port: PortBench) {
        server.output = wire("FF FE 2C | DONT COM-PORT")
    }

    // A server that accepts the connection and does not speak RFC 2217.

    @Test func aServerThatRefusesLeadsToTheNextOne() throws {
        try withServers { port in
            port.prepare = { if port.tried.last == "a:1" { Self.refuse(&$0, port) } }
            guard case .opened = port.outcome(port.open()) else { throw BenchError(what: "no open") }
            #expect(port.tried == ["a:1", "b:2"])
            #expect(port.disconnections == [false])
            let lines = port.log.filter { $0.contains("RFC 2217") }
            #expect(lines.count == 1)
            #expect(lines.first?.hasSuffix("; trying the next address") == true)
        }
    }

    @Test func aServerThatClosesLeadsToTheNextOne() throws {
        try withServers { port in
            port.isMute = true
            let open = port.open()
            #expect(port.tried == ["a:1"])
            port.isMute = false
            port.breakLink()
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.tried == ["a:1", "b:2"])
            #expect(port.log.contains("connection lost: broken by the test; trying the next address"))
        }
    }

    /// ser2net's refusal of a second client: the text tells why, and is not data of the port.
    @Test(
        arguments: [("Port already in use\r\n", Errno.resourceBusy), ("Device open failure\r\n", .connectionReset)],
        [false, true])
    func aServerThatSaysWhyItCloses(_ refusal: (text: String, error: Errno), _ agreesFirst: Bool) throws {
        let (text, error) = refusal
        try withPort { port in
            port.isMute = true
            let open = port.open()
            // ser2net agrees to the option before it sends the text.
            let bytes = (agreesFirst ? wire("FF FD 2C | DO COM-PORT") : []) + Array(text.utf8)
            port.tell { $0.receive(bytes.span, connection: $0.connection) }
            port.isMute = false
            port.closeByServer()
            #expect(port.outcome(open) == .error(error))
            let said = text.dropLast(1).description
            let line = "the server accepted the connection, then closed it; it sent \"\(said)\\x0d\\x0a\""
            #expect(port.log.contains(line), "\(port.log)")
            #expect(port.tty.state.counters.received == 0)
        }
    }

    /// When a connection is made again, data of the line may come before the first answer: it is not lost.
    @Test(arguments: [5, 300]) func dataBeforeTheFirstAnswer(_ count: Int) throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            port.breakLink()
            port.advance(.seconds(1))
            let early = [UInt8](repeating: 0x65, count: count)
            let bytes = wire("FF FD 2C | DO COM-PORT") + early
            port.tell { $0.receive(bytes.span, connection: $0.connection) }
            // More than a text has: no need to wait.
            #expect(port.tty.state.counters.received == (count > 256 ? UInt64(count) : 0))
            let rest = wire("FF FA 2C 65 00 00 25 80 FF F0 | SET-BAUDRATE 9600") + Array("late".utf8)
            port.tell { $0.receive(rest.span, connection: $0.connection) }
            #expect(port.outcome(port.read(file, count + 10)) == .data(early + Array("late".utf8)))
        }
    }

    /// A server that accepts the connection and is silent has its part of the open's time, as a silent address has.
    @Test func aServerThatSaysNothingLeadsToTheNextOne() throws {
        try withServers { port in
            port.delay = .milliseconds(40)
            port.prepare = { server in
                guard port.tried.last == "a:1" else { return }
                server.output = []
                server.leavesUnanswered = { _ in true }
            }
            port.isMute = true
            let start = port.clock.now
            let open = port.open()
            port.advance(.milliseconds(2499))
            #expect(port.tried == ["a:1"])
            port.isMute = false
            port.advance(.seconds(10))
            guard case .opened = port.outcome(open) else {
                throw BenchError(what: "no open: \(port.outcome(open) as Any), \(port.log)")
            }
            #expect(port.tried == ["a:1", "b:2"])
            #expect(port.milliseconds(open, since: start).map { $0 < 3000 } == true)
        }
    }

    /// All addresses of a server come before the next server.
    @Test func eachAddressOfAServerIsTried() throws {
        try withServers { port in
            port.names = { $0 == Self.a ? Self.addresses("a1", "a2") : Self.addresses("b1") }
            port.networks["a1"] = .refuses(.connectionRefused)
            port.prepare = { if port.tried.last != "b1" { Self.refuse(&$0, port) } }
            guard case .opened = port.outcome(port.open()) else { throw BenchError(what: "no open") }
            #expect(port.tried == ["a1", "a2", "b1"])
        }
    }

    /// The error is that of the last attempt, and the log tells of each.
    @Test func ifAllFailTheOpenFails() throws {
        try withServers { port in
            port.networks["a:1"] = .refuses(.connectionRefused)
            port.prepare = { Self.refuse(&$0, port) }
            #expect(port.outcome(port.open()) == .error(.protocolError))
            let last = try #require(port.log.last)
            #expect(last.contains("cannot connect to a:1: Connection refused"))
            #expect(last.contains("; the server does not speak RFC 2217: it refuses COM-PORT-OPTION"))
            #expect(port.tty.link == .down)
            port.advance(.seconds(60))
            #expect(port.tried == ["a:1", "b:2"])
        }
    }

    @Test func aLossWhileOpeningAtTheLastAddressFailsTheOpen() throws {
        try withServers { port in
            port.isMute = true
            port.networks["a:1"] = .refuses(.connectionRefused)
            let open = port.open()
            port.breakLink()
            #expect(port.outcome(open) == .error(.connectionReset))
            #expect(port.tty.link == .down)
        }
    }

    /// A lost connection is made again in the same way.
    @Test func aReconnectionTriesTheNextAddress() throws {
        try withServers { port in
            _ = try port.openRaw()
            port.prepare = { if port.tried.last == "a:1" { Self.refuse(&$0, port) } }
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up)
            #expect(port.tried == ["a:1", "a:1", "b:2"])
        }
    }

    // Time.

    /// The open's time is divided among the addresses.
    @Test func aSilentAddressLeavesTimeForTheNextOne() throws {
        try withServers { port in
            port.networks["a:1"] = .silent
            let start = port.clock.now
            let open = port.open()
            port.advance(.seconds(10))
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.milliseconds(open, since: start) == 2500)
        }
    }

    /// The last address has a limit of its own: the kernel's is two minutes.
    @Test func theLastAddressIsGivenUpWhileNoOpenWaits() throws {
        try withServers([Self.a], { $0.connect = .always }) { port in
            port.network = .silent
            port.tell { $0.start() }
            port.advance(.seconds(4))
            #expect(port.connections == 1 && port.disconnections == [])
            port.advance(.seconds(2))
            #expect(port.connections == 2 && port.disconnections == [false])
            port.network = .accepts
            port.advance(.seconds(10))
            #expect(port.tty.link == .up)
        }
    }

    @Test(arguments: [1, 2, 3]) func everyAttemptHasALimit(_ count: Int) {
        var pass = ServerPass([Self.a])
        _ = pass.nextServer()
        pass.take((0..<count).map { ServerAddress(bytes: [], description: "a\($0)") })
        for index in 0..<count {
            #expect(pass.nextAddress() != nil)
            let isLast = index == count - 1
            #expect(pass.limit(of: .seconds(6)) == (isLast ? .seconds(6) : .seconds(6) / UInt64(count)))
        }
    }

    // Names.

    @Test func aSilentNameServerIsGivenUpInTime() throws {
        try withServers { port in
            port.names = { $0 == Self.a ? nil : Self.addresses("b1") }
            let start = port.clock.now
            let open = port.open()
            port.advance(.seconds(10))
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.milliseconds(open, since: start) == 2500)
            #expect(port.lookups.map(\.server) == [Self.a, Self.b])
        }
    }

    @Test(arguments: [1, 5] as [UInt64]) func anOpenWithASilentNameServerTimesOut(_ seconds: UInt64) throws {
        try withServers([Self.a], { $0.connectTimeout = .seconds(seconds) }) { port in
            port.names = { _ in nil }
            let start = port.clock.now
            let open = port.open()
            port.advance(.seconds(10))
            #expect(port.outcome(open) == .error(.timedOut))
            #expect(port.milliseconds(open, since: start) == seconds * 1000)
            #expect(port.tty.link == .down)
            // A late answer is remembered, and starts nothing.
            port.tell { [lookup = port.lookups[0]] in $0.lookedUp(lookup.number, Self.a, Self.addresses("a1")) }
            #expect(port.tried == [] && port.tty.link == .down)
        }
    }

    /// A name server that has become silent: the last good addresses are used.
    @Test func theLastGoodAddressesAreUsed() throws {
        try withServers([Self.a]) { port in
            port.names = { _ in Self.addresses("a1") }
            _ = port.release(try port.openRaw())
            port.names = { _ in nil }
            let start = port.clock.now
            let open = port.open()
            port.advance(.seconds(10))
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.milliseconds(open, since: start) == 500)
            #expect(port.tried == ["a1", "a1"])
        }
    }

    /// A late answer replaces the addresses, for the next attempt.
    @Test func aLateAnswerIsUsedLater() throws {
        try withServers([Self.a]) { port in
            port.names = { _ in Self.addresses("a1") }
            _ = port.release(try port.openRaw())
            port.names = { _ in nil }
            let file = try port.openFile()
            let lookup = try #require(port.lookups.last)
            port.tell { $0.lookedUp(lookup.number, Self.a, Self.addresses("a2")) }
            #expect(port.tty.link == .up)
            _ = port.release(file)
            _ = try port.openFile()
            #expect(port.tried == ["a1", "a1", "a2"])
        }
    }

    @Test func aNameWithoutAnAddressLeadsToTheNextServer() throws {
        try withServers { port in
            port.names = { $0 == Self.a ? .failure(LookupFailure("no such name")) : Self.addresses("b1") }
            guard case .opened = port.outcome(port.open()) else { throw BenchError(what: "no open") }
            #expect(port.tried == ["b1"])
        }
    }

    @Test func otherServersEndALookup() throws {
        try withServers([Self.a]) { port in
            port.names = { $0 == Self.a ? nil : Self.addresses("b1") }
            let open = port.open()
            let lookup = port.lookups[0]
            port.tell { $0.setServers([Self.b]) }
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            // The old server's addresses are of no use any more.
            port.tell { $0.lookedUp(lookup.number, Self.a, Self.addresses("a1")) }
            #expect(port.tried == ["b1"] && port.tty.link == .up)
        }
    }

    // Answers of name servers that come too late.

    /// The last good address is being tried: the attempt goes on.
    @Test func aLateAnswerDoesNotEndAnAttempt() throws {
        try withServers([Self.a]) { port in
            port.names = { _ in Self.addresses("a1") }
            _ = port.release(try port.openRaw())
            port.names = { _ in nil }
            port.network = .silent
            let open = port.open()
            port.advance(.milliseconds(500))
            #expect(port.tried == ["a1", "a1"])
            let number = port.tty.connection
            let lookup = try #require(port.lookups.last)
            port.tell { $0.lookedUp(lookup.number, Self.a, Self.addresses("a2")) }
            #expect(port.tried == ["a1", "a1"])
            #expect(port.tty.link == .connecting && port.tty.connection == number && port.outcome(open) == nil)
            port.tell { $0.connectFailed(number, .connectionRefused) }
            #expect(port.outcome(open) == .error(.connectionRefused))
        }
    }

    @Test func aLateAnswerIsNotTakenForTheNextServer() throws {
        try withServers { port in
            port.names = { _ in nil }
            let open = port.open()
            port.advance(.milliseconds(2500))
            #expect(port.lookups.map(\.server) == [Self.a, Self.b])
            port.tell { [lookup = port.lookups[0]] in $0.lookedUp(lookup.number, Self.a, Self.addresses("a1")) }
            #expect(port.tried == [] && port.tty.link == .connecting && port.outcome(open) == nil)
            port.tell { [lookup = port.lookups[1]] in $0.lookedUp(lookup.number, Self.b, Self.addresses("b1")) }
            #expect(port.tried == ["b1"] && port.tty.link == .up)
        }
    }

    // Other servers.

    /// They come while a server is spoken to: that it refuses is still what the open reports.
    @Test func aRefusalAfterOtherServersCameIsReported() throws {
        try withServers([Self.a]) { port in
            port.isMute = true
            let open = port.open()
            port.isMute = false
            port.tell { $0.setServers([Self.b]) }
            guard case .opening = port.tty.link else { throw BenchError(what: "not opening: \(port.tty.link)") }
            port.far { Self.refuse(&$0, port) }
            #expect(port.outcome(open) == .error(.protocolError))
            #expect(port.log.last?.contains("the server does not speak RFC 2217: it refuses COM-PORT-OPTION") == true)
        }
    }

    @Test func theSameServersDoNotEndAnAttempt() throws {
        try withServers { port in
            port.network = .silent
            let open = port.open()
            port.tell { $0.setServers([Self.a, Self.b]) }
            #expect(port.tried == ["a:1"] && port.lookups.count == 1 && port.disconnections == [])
            #expect(port.tty.link == .connecting && port.outcome(open) == nil)
        }
    }

    /// The attempt ends before the first of the other servers is looked up.
    @Test func otherServersEndAnAttemptFirst() throws {
        try withServers([Self.a]) { port in
            port.network = .silent
            let open = port.open()
            let number = port.tty.connection
            let command = port.command { $0.setServers([Self.b]) }
            #expect(command == .disconnect(number, graceful: false))
            #expect(port.tty.link == .disconnecting && port.lookups.count == 1)
            port.network = .accepts
            port.tell { $0.disconnected(number) }
            #expect(port.lookups.map(\.server) == [Self.a, Self.b] && port.tried == ["a:1", "b:2"])
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
        }
    }

    /// Nothing has to end: the first of the other servers is looked up at once.
    @Test func otherServersReplaceALookupAtOnce() throws {
        try withServers([Self.a]) { port in
            port.names = { _ in nil }
            let open = port.open()
            let command = port.command { $0.setServers([Self.b]) }
            #expect(command == .lookUp(port.lookups[0].number + 1, Self.b))
            #expect(port.tty.link == .connecting && port.outcome(open) == nil)
        }
    }
}
