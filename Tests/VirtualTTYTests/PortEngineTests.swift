import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// A sender that has bytes of a connection which ends meanwhile.
@Suite struct PortEngineTests {
    /// An engine whose port is open, and a bench that shares its clock.
    private func withEngine(_ body: (inout PortEngine, FileID, PortBench) throws -> Void) throws {
        let port = PortBench {
            $0.connect = .always
            $0.ahead = .unlimited
        }
        port.tell { $0.start() }
        let file = try port.openRaw()
        var engine = PortEngine(port.tty)
        try body(&engine, file, port)
    }

    /// The engine's log lines that tell of a loss.
    private func losses(_ out: PortEngine.Handout) -> [String] {
        out.effects.list.compactMap { effect in
            guard case .log(_, let text) = effect, text.contains("bytes lost with the connection") else { return nil }
            return text
        }
    }

    private func write(_ engine: inout PortEngine, _ file: FileID, _ bytes: [UInt8]) {
        engine.tty.write(RequestID(rawValue: 1_000_000), file, bytes.span, nonBlocking: true)
    }

    /// The sender had taken bytes, and says only after the end how many it has sent.
    @Test(arguments: [0, 1, 2, 3, 4, 5, 6]) func theSenderTellsLaterWhatItSent(_ count: Int) throws {
        try withEngine { engine, file, port in
            var sender = PortEngine.Handout()
            var receiver = PortEngine.Handout()
            // On the wire: a, FF FF, b, c, d.
            write(&engine, file, [0x61, 0xFF, 0x62, 0x63, 0x64])
            engine.collectWork(&sender)
            #expect(sender.hasUnsent && sender.unsent == [0x61, 0xFF, 0xFF, 0x62, 0x63, 0x64])
            write(&engine, file, Array("e"))
            engine.tty.connectionLost(engine.tty.connection, "gone")
            engine.collectWork(&receiver)
            #expect(!receiver.hasUnsent)
            #expect(losses(receiver) == [], "it is not known yet")
            let number = engine.tty.connection
            #expect(receiver.command == .disconnect(number, graceful: false))

            sender.effects.removeAll()
            engine.sent(count, &sender)
            engine.collectWork(&sender)
            let whole = [0, 1, 1, 2, 3, 4, 5][count]
            let text = "\(whole) bytes lost with the connection: 0 unacknowledged, \(whole) unconfirmed"
            #expect(losses(sender) == (whole == 0 ? [] : [text]))
            // The rest waits for the next connection, in order.
            #expect(engine.tty.transmission.untransmitted == 6 - whole)
            port.tty = engine.tty
            port.tell { $0.disconnected(number) }
            port.advance(.seconds(1))
            #expect(port.server?.data == Array([0x61, 0xFF, 0x62, 0x63, 0x64, 0x65][whole...]))
        }
    }

    /// The next connection stands before the old sender has come back: its commands go, data waits.
    @Test func dataWaitsForTheOldSender() throws {
        try withEngine { engine, file, port in
            var sender = PortEngine.Handout()
            write(&engine, file, Array("abc"))
            engine.collectWork(&sender)
            port.tty = engine.tty
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.connection == 2)
            let write = port.write(file, Array("def"))
            #expect(port.outcome(write) == .written(3))
            #expect(port.server?.data == nil || port.server?.data == [])
            engine.tty = port.tty
            engine.sent(1, &sender)
            port.tty = engine.tty
            port.settle()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up)
            #expect(port.server?.data == Array("bcdef"))
            #expect(port.tty.state.lostBytes == 1)
        }
    }

    /// Bytes that a program flushed while a sender had them are neither kept nor lost.
    @Test(arguments: [0, 2, 3]) func flushedBytesOfASenderAreForgotten(_ count: Int) throws {
        try withEngine { engine, file, port in
            var sender = PortEngine.Handout()
            var other = PortEngine.Handout()
            write(&engine, file, Array("abc"))
            engine.collectWork(&sender)
            engine.tty.ioctl(
                RequestID(rawValue: 1_000_001), file,
                IoctlCall(command: Ioctl.TCFLSH.rawValue, argument: 1, outSize: 0, isCompat: false),
                argument: [UInt8]().span
            ) { _ in false }
            engine.tty.connectionLost(engine.tty.connection, "gone")
            engine.collectWork(&other)
            sender.effects.removeAll()
            engine.sent(count, &sender)
            engine.collectWork(&sender)
            #expect(losses(other) == [] && losses(sender) == [])
            #expect(engine.tty.transmission.untransmitted == 0)
        }
    }

    /// A flush while a sender has bytes of an earlier connection takes nothing from the account of the present one.
    @Test func aFlushDuringAnOldSendLeavesLaterBytesCounted() throws {
        try withEngine { engine, file, port in
            var sender = PortEngine.Handout()
            write(&engine, file, Array("abcdef"))
            engine.collectWork(&sender)
            port.tty = engine.tty
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.connection == 2)
            _ = port.ioctl(file, .TCFLSH, value: 1)
            engine.tty = port.tty
            engine.sent(0, &sender)
            port.tty = engine.tty
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.tty.state.lostBytes == 0)
            _ = port.write(file, Array("xyz"))
            #expect(port.server?.data == Array("xyz"))
            port.breakLink()
            #expect(port.tty.state.lostBytes == 3)
        }
    }

    /// A query is answered without a pass; the next event gets its pass.
    @Test func aQueryLeavesThePassToOthers() throws {
        try withEngine { engine, file, _ in
            var sender = PortEngine.Handout()
            var other = PortEngine.Handout()
            engine.collectWork(&other)
            other.effects.removeAll()
            write(&engine, file, Array("abc"))
            engine.collectWork(&sender)
            // Nothing is left to take while the sender is at work, so this one waits for room.
            let waiting = RequestID(rawValue: 1_000_002)
            var rest = Array(repeating: UInt8(0x2E), count: 4 * Wire.stage)
            for _ in 0..<64 where !engine.tty.isParked(waiting) {
                engine.tty.write(waiting, file, rest.span, nonBlocking: false)
            }
            rest = []
            engine.collectWork(&other)
            #expect(engine.tty.isParked(waiting) && !other.hasUnsent)
            other.effects.removeAll()
            let query = RequestID(rawValue: 1_000_003)
            engine.tty.ioctl(
                query, file, IoctlCall(command: Ioctl.TCGETS.rawValue, argument: 0, outSize: Termios.size),
                argument: [UInt8]().span
            ) { _ in false }
            engine.collectWork(&other)
            #expect(other.effects.list == [.answer(query, .ioctl(0..<Termios.size))])
            #expect(!other.hasUnsent && !other.wakesReceiver && !other.deadlineChanged && other.command == nil)
            // The socket takes all: the pass after it takes more of the write that waits.
            for _ in 0..<64 where engine.tty.isParked(waiting) {
                engine.sent(sender.unsent.count, &sender)
                engine.collectWork(&sender)
                guard sender.hasUnsent else { break }
            }
            #expect(!engine.tty.isParked(waiting))
        }
    }

    /// A socket that takes bytes again is no event of the port's: it is served although the last event has only asked.
    @Test func aQueryDoesNotHoldUpTheSocket() throws {
        try withEngine { engine, file, _ in
            var sender = PortEngine.Handout()
            write(&engine, file, Array("abc"))
            engine.collectWork(&sender)
            engine.sent(1, &sender)
            engine.collectWork(&sender)
            #expect(!sender.hasUnsent, "the socket is full")
            engine.tty.ioctl(
                RequestID(rawValue: 1_000_003), file,
                IoctlCall(command: Ioctl.TCGETS.rawValue, argument: 0, outSize: Termios.size),
                argument: [UInt8]().span
            ) { _ in false }
            engine.collectWork(&sender)
            engine.resumeSending()
            engine.collectWork(&sender)
            #expect(sender.hasUnsent && sender.unsent == Array("bc".utf8))
        }
    }

    /// Bytes are handed out with the number of the connection that they are for.
    @Test func aHandoutNamesItsConnection() throws {
        try withEngine { engine, file, _ in
            var out = PortEngine.Handout()
            write(&engine, file, Array("abc"))
            engine.collectWork(&out)
            #expect(out.hasUnsent && out.connection == engine.tty.connection)
        }
    }
}
