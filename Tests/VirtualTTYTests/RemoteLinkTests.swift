import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// The connection to the remote port: numbered commands, and the negotiation while it opens.
@Suite struct RemoteLinkTests {
    // A connection that stands at a time when the port does not want it.

    @Test func aConnectionForAPortThatIsDownIsEnded() throws {
        try withPort { port in
            port.network = .silent
            let open = port.open()
            let number = port.tty.connection
            port.interrupt(open)
            #expect(port.tty.link == .down)
            let command = port.command { $0.connected(number, to: "late") }
            #expect(command == .disconnect(number, graceful: false))
            #expect(port.tty.link == .down)
            // Its end changes nothing, and the next open is as any other.
            port.tell { $0.disconnected(number) }
            port.network = .accepts
            _ = try port.openFile()
        }
    }

    @Test func aConnectionForAPortThatWaitsToTryAgainIsEnded() throws {
        try withPort { port in
            _ = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.milliseconds(50))
            guard case .lost = port.tty.link else { throw BenchError(what: "not lost: \(port.tty.link)") }
            let number = port.tty.connection
            let command = port.command { $0.connected(number, to: "late") }
            #expect(command == .disconnect(number, graceful: false))
            guard case .lost = port.tty.link else { throw BenchError(what: "not lost: \(port.tty.link)") }
        }
    }

    /// The news of an earlier attempt, or of its failure, is not taken for that of the one at hand.
    @Test func newsOfAnEarlierAttemptIsIgnored() throws {
        try withPort { port in
            port.network = .silent
            let first = port.open()
            let old = port.tty.connection
            port.interrupt(first)
            let second = port.open()
            let number = port.tty.connection
            #expect(number == old + 1)
            port.tell { $0.connected(old, to: "old") }
            #expect(port.tty.link == .connecting)
            port.tell { $0.connectFailed(old, .connectionRefused) }
            #expect(port.tty.link == .connecting && port.outcome(second) == nil)
            port.tell { $0.disconnected(old) }
            #expect(port.tty.link == .connecting)
            port.tell { $0.connectFailed(number, .connectionRefused) }
            #expect(port.outcome(second) == .error(.connectionRefused))
        }
    }

    @Test func theEndOfAnEarlierConnectionIsIgnored() throws {
        try withPort { port in
            let file = try port.openRaw()
            let old = port.tty.connection
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.tty.connection == old + 1)
            port.tell { $0.connectionLost(old, "old news") }
            port.tell { $0.disconnected(old) }
            port.tell { $0.receive(Array("old").span, connection: old) }
            #expect(port.tty.link == .up)
            try #expect(port.number(file, .FIONREAD) == 0)
        }
    }

    /// Only an end that was asked for is one.
    @Test func anEndThatWasNotAskedForIsIgnored() throws {
        try withPort { port in
            let file = try port.openRaw()
            let number = port.tty.connection
            port.tell { $0.disconnected(number) }
            #expect(port.tty.link == .up)
            _ = port.write(file, Array("hello"))
            #expect(port.server?.data == Array("hello"))
            port.advance(.seconds(10))
            #expect(port.connections == 1 && port.disconnections == [])
        }
    }

    @Test func theEndOfAnEarlierConnectionIsNotThatOfTheOneThatEnds() throws {
        try withPort { port in
            _ = try port.openRaw()
            port.breakLink()
            port.advance(.seconds(1))
            let number = port.tty.connection
            let command = port.command { $0.connectionLost(number, "broken by the test") }
            #expect(command == .disconnect(number, graceful: false))
            port.tell { $0.disconnected(number - 1) }
            #expect(port.tty.link == .disconnecting)
            port.tell { $0.disconnected(number) }
            guard case .lost = port.tty.link else { throw BenchError(what: "not lost: \(port.tty.link)") }
        }
    }

    /// No connection was begun, so none is ended.
    @Test func anOpenGivenUpDuringTheLookupLeavesNothingToEnd() throws {
        try withPort { port in
            port.names = { _ in nil }
            let open = port.open()
            let command = port.command { $0.interrupt(open) }
            #expect(command == nil)
            #expect(port.tty.link == .down)
            port.settle()
            #expect(port.disconnections == [] && port.outcome(open) == .error(.interrupted))
        }
    }

    @Test func anAttemptIsNotGivenUpBeforeItsTime() throws {
        try withPort { port in
            port.network = .silent
            let open = port.open()
            port.advance(.milliseconds(100))
            port.tell { $0.advance() }
            #expect(port.tty.link == .connecting && port.outcome(open) == nil)
            #expect(port.connections == 1 && port.disconnections == [])
        }
    }

    /// An open is given up before its command is taken: the last command counts.
    @Test func aCommandThatWasNotTakenIsReplaced() throws {
        try withPort { port in
            var tty = port.tty
            tty.open(RequestID(rawValue: 1)) { false }
            tty.progress()
            guard case .lookUp(let lookup, let server) = tty.takeCommand() else { throw BenchError(what: "no lookup") }
            tty.lookedUp(lookup, server, .success([ServerAddress(bytes: [], description: "bench")]))
            tty.interrupt(RequestID(rawValue: 1))
            tty.progress()
            let last = tty.takeCommand()
            #expect(last == .disconnect(tty.connection, graceful: false))
            #expect(tty.link == .disconnecting)
        }
    }

    // The connection is kept for a while after the last close.

    /// An open ends the time that an earlier close set: a later close has its own, and its output has closing_wait.
    @Test func anEarlierClosesLingerDoesNotEndALaterOne() throws {
        try withPort({ $0.linger = .seconds(5) }) { port in
            _ = port.release(try port.openRaw())
            port.advance(.seconds(4))
            let file = try port.openFile()
            port.room = 0
            _ = port.write(file, Array("slow"))
            let close = port.release(file)
            port.advance(.seconds(3))
            #expect(port.tty.link == .up && port.disconnections == [])
            #expect(port.outcome(close) == nil)
            port.makeRoom(.max)
            port.advance(.seconds(1))
            #expect(port.outcome(close) == .done)
            #expect(port.server?.data == Array("slow"))
            port.advance(.seconds(3))
            #expect(port.tty.link == .up)
            port.advance(.seconds(3))
            #expect(port.disconnections == [true])
        }
    }

    // While the connection opens.

    /// Text that a server says before it speaks RFC 2217 is no data, on a connection made again neither.
    @Test func textBeforeTheOptionIsNoDataOnAReconnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.profile.banner = Array("Welcome\r\n")
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.connections == 2)
            try #expect(port.number(file, .FIONREAD) == 0)
            port.far { $0.send(Array("data")) }
            #expect(port.outcome(port.read(file)) == .data(Array("data")))
        }
    }

    /// Data that comes with the answers, once the option is active, is the program's.
    @Test func dataBehindTheOptionIsKeptOnAReconnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.prepare = { server in
                server.output += wire("FF FD 2C | DO COM-PORT")
                server.send(Array("early"))
            }
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.outcome(port.read(file)) == .data(Array("early")))
        }
    }

    /// A server may wait for replies to its options before it answers settings.
    @Test func repliesToOptionsGoOutWhileThePortOpens() throws {
        try withPort { port in
            port.isMute = true
            let open = port.open()
            port.isMute = false
            port.segments.removeAll()
            port.far { $0.output = wire("FF FD 2C | DO COM-PORT\nFF FD 03 | DO SUPPRESS-GO-AHEAD") }
            guard case .opening = port.tty.link else { throw BenchError(what: "not opening: \(port.tty.link)") }
            #expect(port.segments.flatMap(\.self) == wire("FF FB 03 | WILL SUPPRESS-GO-AHEAD\nFF FD 00 | DO BINARY"))
            #expect(port.outcome(open) == nil)
        }
    }

    @Test func aSignatureIsToldWhileThePortOpens() throws {
        try withPort { port in
            port.isMute = true
            _ = port.open()
            port.isMute = false
            port.segments.removeAll()
            port.far {
                $0.output = wire("FF FD 2C | DO COM-PORT")
                $0.send(.signature([]))
            }
            #expect(port.segments.flatMap(\.self).count > 6)
            guard case .opening = port.tty.link else { throw BenchError(what: "not opening: \(port.tty.link)") }
        }
    }

    // An open while the next attempt is waited for.

    @Test func anOpenDuringBackOffTriesAtOnce() throws {
        try withPort { port in
            _ = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.seconds(8))
            guard case .lost(let retryAt) = port.tty.link else { throw BenchError(what: "not lost") }
            #expect(retryAt > port.clock.now + .seconds(1))
            port.network = .accepts
            let start = port.clock.now
            let open = port.open()
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.milliseconds(open, since: start) == 0)
        }
    }

    @Test func anOpenDuringBackOffOfAPortThatIsAlwaysConnected() throws {
        try withPort({ $0.connect = .always }) { port in
            port.network = .refuses(.connectionRefused)
            port.tell { $0.start() }
            port.advance(.seconds(20))
            let attempts = port.connections
            #expect(port.outcome(port.open()) == .error(.connectionRefused))
            #expect(port.connections == attempts + 1)
            port.network = .accepts
            guard case .opened = port.outcome(port.open()) else { throw BenchError(what: "no open") }
        }
    }

    /// The last words of a server that refuses are in the log as well.
    @Test func theCommandsOfARefusalAreTraced() throws {
        try withPort({ $0.logLevel = .trace }) { port in
            port.profile = ServerProfile([.refuseComPort])
            #expect(port.outcome(port.open()) == .error(.protocolError))
            #expect(port.log.contains { $0.contains("< DONT COM-PORT") })
        }
    }
}
