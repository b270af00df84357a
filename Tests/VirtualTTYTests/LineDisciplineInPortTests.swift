import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// A port with its line discipline: the path of echoes, the wake-ups, the backlog. N_TTY itself is compared with the
/// kernel's in other tests.
@Suite struct LineDisciplineInPortTests {
    private static let again = Outcome.error(.resourceTemporarilyUnavailable)

    /// A port as it is before anybody has set it: canonical, with echo.
    private func withTerminal(_ body: (PortBench, FileID) throws -> Void) throws {
        try withPort { port in
            let file = try port.openFile()
            port.server?.forget()
            try body(port, file)
        }
    }

    private func heard(_ port: PortBench) -> [UInt8] { port.server?.data ?? [] }

    @Test func aLineIsReadOnceItIsWhole() throws {
        try withTerminal { port, file in
            let read = port.read(file)
            port.far { $0.send(Array("hel")) }
            #expect(port.outcome(read) == nil)
            port.far { $0.send(Array("lo\rwor")) }
            #expect(port.outcome(read) == .data(Array("hello\n")))
            try #expect(port.number(file, .FIONREAD) == 0)
            #expect(port.outcome(port.read(file, nonBlocking: true)) == Self.again)
            #expect(heard(port) == Array("hello\r\nwor"))
        }
    }

    /// Lines that wait upstream for room are read one at a time, all of them, and echoed once each.
    @Test func linesUpstreamStayLines() throws {
        try withTerminal { port, file in
            let lines = (0..<500).map { "line \($0), and something to fill it with\n" }
            port.far { $0.send(Array(lines.joined())) }
            for line in lines { #expect(port.outcome(port.read(file, nonBlocking: true)) == .data(Array(line))) }
            #expect(port.outcome(port.read(file, nonBlocking: true)) == Self.again)
            #expect(heard(port) == Array(lines.joined().replacing("\n", with: "\r\n")))
        }
    }

    @Test func anEndOfFileEndsARead() throws {
        try withTerminal { port, file in
            let read = port.read(file)
            port.far { $0.send([4]) }
            #expect(port.outcome(read) == .data([]))
            let next = port.read(file)
            #expect(port.outcome(next) == nil)
            port.far { $0.send(Array("x\n")) }
            #expect(port.outcome(next) == .data(Array("x\n")))
        }
    }

    /// The mode changes under a blocked read: pending bytes become input at once.
    @Test func aBlockedReadSeesANewMode() throws {
        try withTerminal { port, file in
            let read = port.read(file)
            port.far { $0.send(Array("abc")) }
            #expect(port.outcome(read) == nil)
            try port.setRaw(file)
            #expect(port.outcome(read) == .data(Array("abc")))
        }
    }

    @Test func pollersWakeForALine() throws {
        try withTerminal { port, file in
            _ = port.poll(file, 1, notifies: true)
            port.far { $0.send(Array("ab")) }
            #expect(port.notified.isEmpty)
            port.far { $0.send(Array("\n")) }
            #expect(port.notified == [file])
            #expect(port.readiness(file) & 1 == 1)
        }
    }

    @Test func writesAreProcessed() throws {
        try withTerminal { port, file in
            #expect(port.outcome(port.write(file, Array("a\nb"))) == .written(3))
            #expect(heard(port) == Array("a\r\nb"))
        }
    }

    /// A parked write counts what the program gave, not what became of it.
    @Test func aProcessedWriteWaitsForRoom() throws {
        try withTerminal { port, file in
            port.room = 0
            let text = [UInt8](repeating: 10, count: 30_000)
            let write = port.write(file, text)
            #expect(port.outcome(write) == nil)
            port.makeRoom(.max)
            #expect(port.outcome(write) == .written(30_000))
            #expect(heard(port).count == 60_000)
        }
    }

    @Test func flowCharactersStopAndStart() throws {
        try withTerminal { port, file in
            port.far { $0.send([0x13]) }
            #expect(port.outcome(port.write(file, Array("held"))) == .written(4))
            #expect(heard(port).isEmpty)
            // TCOON ends only what TCOOFF began.
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(heard(port).isEmpty)
            port.far { $0.send([0x11]) }
            #expect(heard(port) == Array("held"))
            #expect(port.outcome(port.read(file, nonBlocking: true)) == Self.again)
        }
    }

    /// A flow character acts though the bytes before it wait upstream.
    @Test func flowCharactersUpstreamAct() throws {
        try withTerminal { port, file in
            try port.change(file) { $0.lflag.subtract([.ICANON, .ECHO]) }
            port.server?.forget()
            port.far { $0.send([UInt8](repeating: 0x61, count: 5000) + [0x13]) }
            _ = port.write(file, Array("held"))
            #expect(heard(port).isEmpty)
            port.far { $0.send([0x11]) }
            #expect(heard(port) == Array("held"))
            var read: [UInt8] = []
            while case .data(let bytes) = port.outcome(port.read(file, nonBlocking: true)) { read += bytes }
            #expect(read == [UInt8](repeating: 0x61, count: 5000))
        }
    }

    @Test func anInterruptCharacterFlushesBothWays() throws {
        try withTerminal { port, file in
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 0x62, count: 10))
            port.far { $0.send(Array("abc\u{3}d\n")) }
            port.makeRoom(.max)
            #expect(port.outcome(port.read(file)) == .data(Array("d\n")))
            #expect(heard(port) == Array("^Cd\r\n"))
            #expect(port.server?.commands.contains(.purgeData(2)) == true)
        }
    }

    /// The far end supports only ^S and ^Q; other flow characters are handled here.
    @Test func unusualFlowCharactersAreNotTheFarEnds() throws {
        try withTerminal { port, file in
            try port.change(file) { $0[.VSTOP] = 0x14 }
            #expect(port.server?.port.settings.flow == FlowControl.none)
            port.far { $0.send([0x14]) }
            _ = port.write(file, Array("held"))
            #expect(heard(port).isEmpty)
            try port.change(file) { $0[.VSTOP] = 0x13 }
            #expect(port.server?.port.settings.flow == .xonXoff)
            try port.change(file) { $0.iflag.insert(.IXANY) }
            #expect(port.server?.port.settings.flow == FlowControl.none)
            port.far { $0.send(Array("z")) }
            #expect(heard(port) == Array("heldz"))
        }
    }

    @Test func throttlesWithItsOwnCharacters() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            try port.change(file) {
                $0.iflag.insert(.IXOFF)
                $0[.VSTART] = 0x05
                $0[.VSTOP] = 0x06
            }
            port.server?.forget()
            #expect(port.server?.port.settings.inboundFlow == FlowControl.none)
            port.far { $0.send([UInt8](repeating: 1, count: 4095)) }
            #expect(heard(port).isEmpty)
            port.far { $0.send([1]) }
            #expect(heard(port) == [6])
            #expect(port.outcome(port.read(file, 10)) == .data([UInt8](repeating: 1, count: 10)))
            #expect(heard(port) == [6, 5])
        }
    }

    /// TTY-SPEC 88.
    @Test(
        arguments: [
            ([.IGNBRK], []), ([], [0]), ([.PARMRK], [0xFF, 0, 0]), ([.IGNBRK, .PARMRK], []),
        ] as [(InputFlags, [UInt8])])
    func breaks(_ iflag: InputFlags, _ queued: [UInt8]) throws {
        try reading(min: 0, time: 0) { port, file, _ in
            try port.change(file) { $0.iflag = iflag }
            port.far { $0.send(.notifyLineState([.breakDetected])) }
            #expect(port.outcome(port.read(file)) == .data(queued))
            #expect(port.tty.counters.breaks == 1)
        }
    }

    @Test func aBreakInterrupts() throws {
        try reading(min: 0, time: 0) { port, file, _ in
            try port.change(file) { $0.iflag = [.BRKINT] }
            port.far {
                $0.send(Array("old"))
                $0.send(.notifyLineState([.breakDetected]))
                $0.send(Array("new"))
            }
            #expect(port.outcome(port.read(file)) == .data(Array("new")))
        }
    }

    /// TTY-SPEC 89, for a server that keeps the bad byte (nil), and for one that says that it comes next.
    @Test(
        arguments: [
            ([], nil, "ab"), ([], 0x63, "acb"), ([.INPCK], nil, "a\0b"), ([.INPCK], 0x63, "a\0b"),
            ([.INPCK, .IGNPAR], nil, "ab"), ([.INPCK, .IGNPAR], 0x63, "ab"),
        ] as [(InputFlags, UInt8?, String)])
    func badBytes(_ iflag: InputFlags, _ byte: UInt8?, _ read: String) throws {
        try reading(min: 0, time: 0) { port, file, _ in
            try port.change(file) { $0.iflag = iflag }
            for state in [LineState.parity, .framing] {
                port.far {
                    $0.send(Array("a"))
                    $0.send(.notifyLineState(byte == nil ? state : state.union(.dataReady)))
                    $0.send((byte.map { [$0] } ?? []) + Array("b"))
                }
                #expect(port.outcome(port.read(file)) == .data(Array(read)))
            }
        }
    }

    @Test func badBytesAreMarked() throws {
        try reading(min: 0, time: 0) { port, file, _ in
            try port.change(file) { $0.iflag = [.INPCK, .PARMRK] }
            port.far {
                $0.send(.notifyLineState([.parity, .dataReady]))
                $0.send([0x63, 0xFF])
                $0.send(.notifyLineState([.framing]))
            }
            #expect(port.outcome(port.read(file)) == .data([0xFF, 0, 0x63, 0xFF, 0xFF, 0xFF, 0, 0]))
        }
    }

    /// An error keeps its place among bytes that wait upstream.
    @Test func errorsUpstreamKeepTheirPlace() throws {
        try reading(min: 0, time: 0) { port, file, _ in
            let before = [UInt8](repeating: 1, count: 5000)
            port.far {
                $0.send(before)
                $0.send(.notifyLineState([.breakDetected]))
                $0.send([2])
            }
            var read: [UInt8] = []
            while case .data(let bytes) = port.outcome(port.read(file, 700)), !bytes.isEmpty { read += bytes }
            #expect(read == before + [0, 2])
        }
    }

    /// Echoes count as output: a drain waits for them.
    @Test func drainsWaitForEchoes() throws {
        try withTerminal { port, file in
            port.room = 0
            port.far { $0.send(Array("abc")) }
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.outcome(drain) == nil)
            port.makeRoom(.max)
            port.advance(.seconds(1))
            #expect(port.outcome(drain) == .ioctl([]))
        }
    }

    /// While the far end has stopped output, a last close waits; received bytes can only restart output.
    @Test func aCloseCanBeStarted() throws {
        try withTerminal { port, file in
            port.far { $0.send([0x13]) }
            _ = port.write(file, Array("late"))
            let close = port.release(file)
            port.advance(.seconds(1))
            #expect(port.outcome(close) == nil)
            port.far { $0.send(Array("x") + [0x11]) }
            #expect(heard(port) == Array("late"))
            port.advance(.seconds(1))
            #expect(port.outcome(close) == .done)
        }
    }

    /// The next program finds nothing of the last one's input, column or stop.
    @Test func nothingIsLeftForTheNext() throws {
        try withTerminal { port, file in
            port.far { $0.send(Array("abc") + [0x13]) }
            let close = port.release(file)
            port.advance(.seconds(60))
            #expect(port.outcome(close) == .done)
            let next = try port.openFile()
            port.server?.forget()
            port.far { $0.send(Array("d\n")) }
            #expect(port.outcome(port.read(next)) == .data(Array("d\n")))
            #expect(heard(port) == Array("d\r\n"))
        }
    }
}
