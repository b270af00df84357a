import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Modem lines (TTY-SPEC F.7, 110 to 117).
@Suite struct ModemLineTests {
    private func counters(_ port: PortBench, _ file: FileID) throws -> [UInt32] {
        let bytes = try port.get(file, .TIOCGICOUNT)
        return stride(from: 0, to: 16, by: 4).map { bytes.number(at: $0) }
    }

    @Test func items110To112EveryOpenRaises() throws {
        try withPort { port in
            let file = try port.openFile()
            #expect(port.server?.port.outputs == [.dtr, .rts])
            try #expect(port.lines(file) == [.dtr, .rts])
            let clear = port.setLines(file, .TIOCMBIC, .dtr)
            #expect(port.outcome(clear) == .ioctl([]))
            try #expect(port.lines(file) == .rts)
            #expect(port.server?.port.outputs == .rts)
            _ = try port.openFile()
            #expect(port.server?.port.outputs == [.dtr, .rts])
            try #expect(port.lines(file) == [.dtr, .rts])
        }
    }

    @Test func item113BothInOneSegment() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.setLines(file, .TIOCMSET, [])
            #expect(port.server?.commands == [.setControl(.dtrOff), .setControl(.rtsOff)])
            #expect(port.segments.count == 1)
            _ = port.setLines(file, .TIOCMSET, .rts)
            #expect(port.server?.commands.last == .setControl(.rtsOn))
            try #expect(port.lines(file) == .rts)
            // No round trip, and no command if the lines do not change.
            port.server?.forget()
            _ = port.setLines(file, .TIOCMSET, .rts)
            _ = port.setLines(file, .TIOCMBIS, .rts)
            #expect(port.server?.commands == [])
        }
    }

    @Test func item114OtherBitsAreIgnored() throws {
        try withPort { port in
            let file = try port.openRaw()
            let set = port.setLines(file, .TIOCMBIS, ModemLines(rawValue: 0xFFFF_FFF9))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.server?.commands == [])
            try #expect(port.lines(file) == [.dtr, .rts])
        }
    }

    @Test func linesKeepTheirPlaceInTheData() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, Array("a"))
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            _ = port.write(file, Array("b"))
            port.room = .max
            port.settle()
            #expect(port.server?.heard == [.data(Array("a")), .command(.setControl(.dtrOff)), .data(Array("b"))])
        }
    }

    @Test func item115InputsAndCounters() throws {
        try withPort { port in
            port.inputs = [.cts]
            let file = try port.openFile()
            // Lines that were up when the port was opened have not changed.
            try #expect(port.lines(file) == [.dtr, .rts, .cts])
            try #expect(counters(port, file) == [0, 0, 0, 0])
            port.far { $0.setLines([.dsr, .dcd, .ri], now: port.clock.now) }
            try #expect(port.lines(file) == [.dtr, .rts, .dsr, .dcd, .ri])
            // cts, dsr, rng, dcd: RI counts when it falls.
            try #expect(counters(port, file) == [1, 1, 0, 1])
            port.far { $0.setLines([], now: port.clock.now) }
            try #expect(counters(port, file) == [1, 2, 1, 2])
        }
    }

    /// A pulse too short for its levels to be seen was two edges.
    @Test func pulsesCount() throws {
        try withPort { port in
            let file = try port.openFile()
            port.far { $0.send(.notifyModemState([.deltaCTS, .trailingRI])) }
            try #expect(counters(port, file) == [2, 0, 1, 0])
        }
    }

    @Test func item116WaitsForItsLine() throws {
        try withPort { port in
            let file = try port.openFile()
            let wait = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.cts.rawValue))
            port.far { $0.setLines([.dsr], now: port.clock.now) }
            #expect(port.outcome(wait) == nil)
            port.far { $0.setLines([.dsr, .cts], now: port.clock.now) }
            #expect(port.outcome(wait) == .ioctl([]))
        }
    }

    @Test func everyWaiterOfALineIsAnswered() throws {
        try withPort { port in
            let file = try port.openFile()
            let waits = [ModemLines.cts, .dsr, [.cts, .dcd], .ri].map {
                port.ioctl(file, .TIOCMIWAIT, value: UInt64($0.rawValue))
            }
            port.far { $0.setLines([.cts], now: port.clock.now) }
            #expect(waits.map { port.outcome($0) } == [.ioctl([]), nil, .ioctl([]), nil])
            port.far { $0.setLines([.cts, .dsr, .ri], now: port.clock.now) }
            port.far { $0.setLines([.cts, .dsr], now: port.clock.now) }
            #expect(waits.map { port.outcome($0) } == [.ioctl([]), .ioctl([]), .ioctl([]), .ioctl([])])
        }
    }

    @Test func item117SignalsAndHangUps() throws {
        try withPort { port in
            let file = try port.openFile()
            let one = port.ioctl(file, .TIOCMIWAIT, value: 0x1E0)
            let other = port.ioctl(file, .TIOCMIWAIT, value: 0x1E0)
            let never = port.ioctl(file, .TIOCMIWAIT, value: 0)
            port.interrupt(one)
            #expect(port.outcome(one) == .error(.interrupted))
            #expect(port.outcome(other) == nil)
            port.tell { $0.shutDown() }
            #expect(port.outcome(other) == .error(.ioError))
            #expect(port.outcome(never) == .error(.ioError))
        }
    }
}
