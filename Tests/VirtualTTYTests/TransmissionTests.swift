import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// Output from the programs to the socket, over connections that end.
@Suite struct TransmissionTests {
    private static let lossText = "bytes lost with the connection"

    private func losses(_ port: PortBench) -> [String] { port.log.filter { $0.contains(Self.lossText) } }

    private func connectAgain(_ port: PortBench) throws {
        port.makeRoom(.max)
        port.advance(.seconds(6))
        guard port.tty.link == .up else { throw BenchError(what: "not connected again: \(port.tty.link)") }
    }

    /// Each byte reaches one of the servers, in order; the bytes that the earlier ones got are the counted loss.
    @Test(arguments: 0..<60 as Range<UInt64>) func bytesThatNoSocketTookGoOutFirst(_ seed: UInt64) throws {
        try withPort { port in
            port.name = "seed \(seed): "
            // It answers no question, which would confirm bytes.
            port.profile.unanswered = [1, 11]
            var random = SplitMix64(seed: seed)
            let file = try port.openRaw()
            var written: [UInt8] = []
            var arrived: [UInt8] = []
            for _ in 0..<random.below(4) + 1 {
                // No answer confirms the bytes that the server has taken.
                port.isMute = true
                port.room = random.below(random.below(2) == 0 ? 40 : 9000)
                for _ in 0..<random.below(4) {
                    written += write(port, file, random.escapeHeavyBytes(random.below(6000)))
                }
                if random.below(3) == 0 { _ = port.setLines(file, .TIOCMBIC, .dtr) }
                port.makeRoom(random.below(50))
                port.breakLink(adding: &arrived)
                port.isMute = false
                written += write(port, file, random.escapeHeavyBytes(random.below(300)))
                try connectAgain(port)
            }
            arrived += port.server?.data ?? []
            #expect(arrived == written, "seed \(seed)")
            let lost = arrived.count - (port.server?.data.count ?? 0)
            #expect(port.tty.state.lostBytes == lost, "seed \(seed)")
            #expect(port.tty.transmission.untransmitted == 0)
        }
    }

    /// Writes as much as there is room for.
    private func write(_ port: PortBench, _ file: FileID, _ bytes: [UInt8]) -> [UInt8] {
        if bytes.isEmpty { return [] }
        let id = port.write(file, bytes, nonBlocking: true)
        guard case .written(let count) = port.outcome(id) else { return [] }
        return Array(bytes[..<count])
    }

    /// A doubled 0xFF that was cut in the middle is not whole: it goes out again.
    @Test(arguments: [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 3)]) func aCutEscapeIsSentAgain(
        _ room: Int, _ whole: Int
    ) throws {
        try withPort { port in
            let file = try port.openRaw()
            let bytes: [UInt8] = [0xFF, 0xFF, 1, 2]
            port.room = room
            _ = port.write(file, bytes)
            port.breakLink()
            #expect(port.tty.state.lostBytes == whole)
            try connectAgain(port)
            #expect(port.server?.data == Array(bytes[whole...]))
        }
    }

    /// Kept data, data queued behind it, and data written while no connection stands.
    @Test func allThreeKindsOfUnsentDataKeepTheirOrder() throws {
        try withPort({ $0.ahead = .unlimited }) { port in
            let file = try port.openRaw()
            var random = SplitMix64(seed: 1)
            let bytes = random.escapeHeavyBytes(18_000)
            port.room = 10
            _ = port.write(file, bytes)
            port.breakLink()
            _ = port.write(file, Array("end"))
            try #expect(port.number(file, .TIOCOUTQ) > 16_000)
            let first = Int(port.tty.state.lostBytes)
            try connectAgain(port)
            #expect(port.server?.data == bytes[first...] + Array("end"))
        }
    }

    /// Kept data goes to the wire in pieces if commands have taken a part of its room.
    @Test func keptDataThatTheWireHasNoRoomForIsNotLost() throws {
        try withPort({ $0.ahead = .unlimited }) { port in
            let file = try port.openRaw()
            var random = SplitMix64(seed: 2)
            let bytes = random.bytes(Wire.stage + 1000)
            port.room = 0
            #expect(write(port, file, bytes) == bytes)
            port.breakLink()
            _ = port.ioctl(file, .TCXONC, value: 0)
            try connectAgain(port)
            port.room = 0
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            #expect(port.tty.transmission.wire.count > 0)
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(port.tty.transmission.untransmitted == bytes.count)
            port.makeRoom(.max)
            #expect(port.server?.data == bytes)
        }
    }

    /// Stopped output stays stopped on a connection made again.
    @Test func stoppedOutputHoldsKeptData() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, Array("hello"))
            port.breakLink()
            _ = port.ioctl(file, .TCXONC, value: 0)
            try connectAgain(port)
            #expect(port.server?.data == [])
            try #expect(port.number(file, .TIOCOUTQ) == 5)
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(port.server?.data == Array("hello"))
        }
    }

    // An echo and the data before it.

    /// The server lets output go on, and right behind that comes a byte to echo.
    @Test func anEchoStaysBehindQueuedData() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.lflag = [.ECHO] }
            port.far { $0.send(.flowControlSuspend) }
            _ = port.write(file, Array("queued"))
            #expect(port.server?.data == [])
            port.far { server in
                server.send(.flowControlResume)
                server.send(Array("x"))
            }
            #expect(port.server?.data == Array("queuedx"))
        }
    }

    @Test func anEchoStaysBehindKeptData() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.lflag = [.ECHO] }
            port.room = 0
            _ = port.write(file, Array("kept"))
            port.breakLink()
            port.prepare = { server in
                server.output += wire("FF FD 2C | DO COM-PORT")
                server.send(.flowControlSuspend)
            }
            try connectAgain(port)
            #expect(port.server?.data == [])
            port.far { server in
                server.send(.flowControlResume)
                server.send(Array("x"))
            }
            #expect(port.server?.data == Array("keptx"))
        }
    }

    @Test func aFlushDropsKeptData() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 2
            _ = port.write(file, Array("hello"))
            port.breakLink()
            #expect(port.tty.transmission.untransmitted == 3)
            _ = port.ioctl(file, .TCFLSH, value: 1)
            #expect(port.tty.transmission.untransmitted == 0)
            try #expect(port.number(file, .TIOCOUTQ) == 0)
            _ = port.write(file, Array("new"))
            try connectAgain(port)
            #expect(port.server?.data == Array("new"))
        }
    }

    // Lost bytes.

    @Test func onlyUnansweredBytesAreLost() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, Array("answered"))
            _ = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.seconds(1))
            _ = port.write(file, Array("not"))
            port.socket.unacknowledged = 2
            port.breakLink()
            #expect(losses(port) == ["3 bytes lost with the connection: 2 unacknowledged, 1 unconfirmed"])
        }
    }

    /// The socket may hold commands that it was given before any data.
    @Test func openingCommandsDoNotCount() throws {
        try withPort { port in
            port.isMute = true
            let file = port.open()
            port.socket.unacknowledged = 200
            port.breakLink()
            #expect(port.outcome(file) == .error(.connectionReset))
            port.isMute = false
            _ = try port.openFile()
            port.breakLink()
            #expect(losses(port) == [])
            #expect(port.tty.state.lostBytes == 0)
        }
    }

    /// The server answers each command at once: bytes behind the last one are lost, unless they were flushed.
    @Test(arguments: 0..<60 as Range<UInt64>) func theCountedLossIsExact(_ seed: UInt64) throws {
        try withPort { port in
            port.name = "seed \(seed): "
            var random = SplitMix64(seed: seed)
            let file = try port.openRaw()
            var lost = 0
            for round in 0..<4 {
                port.room = random.below(9000)
                var flushed = 0
                for _ in 0..<random.below(8) {
                    switch random.below(5) {
                    case 0: _ = port.setLines(file, random.below(2) == 0 ? .TIOCMBIC : .TIOCMBIS, .dtr)
                    case 1: _ = try port.set(file) { $0.setBaud([9600, 19200, 38400][random.below(3)]) }
                    case 2:
                        _ = port.ioctl(file, .TCFLSH, value: 1)
                        flushed = port.server?.data.count ?? 0
                    default: _ = write(port, file, random.escapeHeavyBytes(random.below(3000)))
                    }
                    port.makeRoom(random.below(30))
                }
                lost += bytesBehindLastCommand(port, atMost: (port.server?.data.count ?? 0) - flushed)
                port.breakLink()
                #expect(port.tty.state.lostBytes == lost, "seed \(seed), connection \(round)")
                try connectAgain(port)
            }
        }
    }

    private func bytesBehindLastCommand(_ port: PortBench, atMost limit: Int) -> Int {
        guard case .data(let bytes) = port.server?.heard.last else { return 0 }
        return min(bytes.count, limit)
    }

    @Test func theAnswerOfALaterCommandConfirms() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, Array("hello"))
            try port.change(file) { $0.setBaud(19200) }
            port.breakLink()
            #expect(losses(port) == [])
        }
    }

    @Test(arguments: [0, 3, 5]) func flushedBytesAreNotLost(_ room: Int) throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = room
            _ = port.write(file, Array("hello"))
            _ = port.ioctl(file, .TCFLSH, value: 1)
            port.breakLink()
            #expect(losses(port) == [])
            try connectAgain(port)
            #expect(port.server?.data == [])
        }
    }

    /// The second half of a doubled 0xFF goes out before the purge, whose answer then stands for that byte, too.
    @Test func aHalfSentByteBeforeAPurgeIsNotLost() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 1
            _ = port.write(file, [0xFF, 1, 2])
            _ = port.ioctl(file, .TCFLSH, value: 1)
            port.makeRoom(.max)
            #expect(port.server?.data == [0xFF])
            port.breakLink()
            #expect(losses(port) == [])
        }
    }

    // A server that does not read.

    /// Replies that a server does not take count, before they fill the memory.
    @Test func unsentRepliesPauseReceiving() throws {
        try withPort { port in
            _ = try port.openRaw()
            port.room = 0
            var chunks = 0
            while port.tty.wantsToReceive(isPausing: false), chunks < 100 {
                port.far { server in for _ in 0..<500 { server.send(.signature([])) } }
                chunks += 1
            }
            #expect(!port.tty.wantsToReceive(isPausing: false) && !port.tty.wantsToReceive(isPausing: true))
            #expect(port.tty.transmission.wire.count < 100_000)
            port.makeRoom(.max)
            #expect(port.tty.wantsToReceive(isPausing: true))
        }
    }

    /// So do the answers to options, and while the port is opened.
    @Test func unsentOptionRepliesPauseReceiving() throws {
        try withPort { port in
            port.isMute = true
            _ = port.open()
            port.isMute = false
            port.room = 0
            var chunks = 0
            while port.tty.wantsToReceive(isPausing: false), chunks < 100 {
                port.far { server in
                    for option in UInt8(50)..<250 { server.output += [255, 253, option, 255, 254, option] }
                    for _ in 0..<10 { server.output += wire("FF FD 32 FF FD 33 FF FD 34") }
                    for _ in 0..<200 { server.send(.signature([])) }
                }
                chunks += 1
            }
            #expect(!port.tty.wantsToReceive(isPausing: false))
            #expect(port.tty.transmission.wire.count < 100_000)
        }
    }
}

extension PortBench {
    /// The connection breaks; the data that its server got is added to `arrived`.
    fileprivate func breakLink(adding arrived: inout [UInt8]) {
        arrived += server?.data ?? []
        breakLink()
    }

    /// What a close gave up is not sent for the program that opens the port next.
    @Test(arguments: PortConfiguration.ConnectPolicy.allCases)
    func bytesThatACloseLostStayLost(_ policy: PortConfiguration.ConnectPolicy) throws {
        try withPort({ $0.connect = policy }) { port in
            port.tell { $0.start() }
            let file = try port.openRaw()
            port.room = 2
            _ = port.write(file, Array("hello"))
            let close = port.release(file)
            port.advance(.seconds(31))
            #expect(port.outcome(close) == .done)
            #expect(port.log.contains("closed with 3 bytes unsent: they are lost"))
            port.makeRoom(.max)
            port.advance(.seconds(1))
            port.server?.forget()
            let next = try port.openFile()
            _ = port.write(next, Array("next"))
            port.advance(.seconds(1))
            #expect(port.server?.data == Array("next"))
        }
    }

    /// Half of a doubled 0xFF went out before the close gave up: the other half is nothing to the next connection.
    @Test func halfAByteThatACloseLostStaysLost() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 1
            _ = port.write(file, [0xFF, 1])
            _ = port.release(file)
            port.advance(.seconds(31))
            port.makeRoom(.max)
            let next = try port.openFile()
            _ = port.write(next, Array("next"))
            port.advance(.seconds(1))
            #expect(port.server?.data == Array("next"))
        }
    }
}
