import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Carrier (TTY-SPEC C2 to C6, C13, C16; F.8 128 to 131).
@Suite struct CarrierTests {
    /// A port whose saved settings have CLOCAL clear, closed again.
    func withoutCLOCAL(
        _ configure: (inout PortConfiguration) -> Void = { _ in }, hangsUp: Bool = true,
        _ body: (PortBench) throws -> Void
    ) throws {
        try withPort(configure) { port in
            let file = try port.openRaw()
            try port.change(file) {
                $0.cflag.remove(.CLOCAL)
                if !hangsUp { $0.cflag.remove(.HUPCL) }
            }
            _ = port.release(file)
            if configuredToHold(port) { port.server?.forget() } else { #expect(port.tty.link == .down) }
            try body(port)
        }
    }

    private func configuredToHold(_ port: PortBench) -> Bool {
        port.tty.configuration.connect == .always || port.tty.configuration.linger > 0
    }

    func file(_ port: PortBench, _ open: RequestID) throws -> FileID {
        guard case .opened(let file) = port.outcome(open) else {
            throw BenchError(what: "no open: \(port.outcome(open) as Any)")
        }
        return file
    }

    @Test func item128ABlockingOpenWaits() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            port.advance(.seconds(3600))
            #expect(port.outcome(open) == nil)
            #expect(port.tty.link == .up)
            // The far end sees that somebody waits.
            #expect(port.server?.port.outputs == [.dtr, .rts])
            let other = try port.openFile(nonBlocking: true)
            #expect(port.outcome(open) == nil)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            let file = try file(port, open)
            #expect(file != other)
        }
    }

    @Test func withCarrierThereIsNothingToWaitFor() throws {
        try withoutCLOCAL { port in
            port.inputs = [.dcd]
            _ = try file(port, port.open())
        }
    }

    /// CLOCAL counts as it is when the wait begins.
    @Test func whoWaitsGoesOnWaiting() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            let other = try port.openFile(nonBlocking: true)
            try port.change(other) { $0.cflag.insert(.CLOCAL) }
            port.advance(.seconds(10))
            #expect(port.outcome(open) == nil)
            // Who comes now need not wait.
            _ = try file(port, port.open())
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            _ = try file(port, open)
        }
    }

    @Test func item129SignalsEndTheWait() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            let second = port.open()
            port.advance(.seconds(10))
            port.interrupt(open)
            #expect(port.outcome(open) == .error(.interrupted))
            #expect(port.tty.link == .up)
            port.segments.removeAll()
            port.interrupt(second)
            #expect(port.outcome(second) == .error(.interrupted))
            #expect(port.disconnections.last == true)
            #expect(port.tty.link == .down)
            // No program has the port open: the lines fall.
            let last = wire("FF FA 2C 05 09 FF F0 | DTR off\nFF FA 2C 05 0C FF F0 | RTS off")
            #expect(port.segments.flatMap(\.self) == last)
        }
    }

    @Test func atB0NothingIsRaised() throws {
        try withPort({ $0.linger = .seconds(60) }) { port in
            let file = try port.openRaw()
            try port.change(file) {
                $0.setBaud(0)
                $0.cflag.remove(.CLOCAL)
            }
            _ = port.release(file)
            let open = port.open()
            #expect(port.outcome(open) == nil)
            #expect(port.server?.port.outputs == [])
            port.interrupt(open)
        }
    }

    /// A server that never says how its lines are has no carrier line as far as anybody can tell.
    @Test func aServerThatReportsNoLines() throws {
        try withoutCLOCAL { port in
            port.profile.notifies = false
            let start = port.clock.now
            let open = port.open()
            #expect(port.outcome(open) == nil)
            port.advance(.seconds(5))
            _ = try file(port, open)
            #expect(port.milliseconds(open, since: start) == 1000)
        }
    }

    @Test func item130LossHangsUp() throws {
        try withPort { port in
            port.inputs = [.dcd]
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            let read = port.read(file)
            let wait = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.dcd.rawValue))
            let other = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.cts.rawValue))
            port.segments.removeAll()
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.outcome(read) == .data([]))
            // That is the change it waited for; the other waits in vain.
            #expect(port.outcome(wait) == .ioctl([]))
            #expect(port.outcome(other) == .error(.ioError))
            #expect(port.readiness(file) == 0x15D)
            // The port is shut down: the lines fall, and the connection ends.
            #expect(port.segments.flatMap(\.self) == wire("FF FA 2C 05 09 FF F0 FF FA 2C 05 0C FF F0"))
            #expect(port.tty.link == .down && port.disconnections == [true])
            port.inputs = []
            let again = port.open()
            #expect(port.outcome(again) == nil)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            _ = try self.file(port, again)
            #expect(port.outcome(port.read(file)) == .data([]))
        }
    }

    /// Carrier that was away for less than a report hangs up as well.
    @Test func aPulseIsALoss() throws {
        try withPort { port in
            port.inputs = [.dcd]
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            port.far { $0.send(.notifyModemState([.dcd, .deltaDCD])) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    @Test func item131WithCLOCALItOnlyCounts() throws {
        try withPort { port in
            port.inputs = [.dcd]
            let file = try port.openRaw()
            let wait = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.dcd.rawValue))
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.outcome(wait) == .ioctl([]))
            try #expect(port.get(file, .TIOCGICOUNT).number(at: 12) == 1)
            #expect(port.readiness(file) == 0x104)
            // Clearing CLOCAL now does nothing: there is no carrier to lose, until it has come back.
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            port.advance(.seconds(10))
            #expect(port.readiness(file) == 0x104)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            #expect(port.readiness(file) == 0x104)
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// The last close while an open waits for carrier: the lines fall, stay low for close_delay, and rise for it.
    @Test(arguments: [50, 200]) func aCloseUnderAWaitingOpen(_ delay: UInt32) throws {
        try withoutCLOCAL { port in
            let open = port.open()
            let file = try port.openFile(nonBlocking: true)
            if delay != 50 {
                var bytes = try port.get(file, .TIOCGSERIAL)
                bytes.replaceSubrange(32..<34, with: delay.littleEndian[..<2])
                _ = port.ioctl(file, .TIOCSSERIAL, bytes, isAdministrator: true)
            }
            let start = port.clock.now
            let close = port.release(file)
            #expect(port.server?.port.outputs == [])
            // Carrier now does not count for an open that has to start anew.
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            port.far { $0.setLines([], now: port.clock.now) }
            port.advance(.milliseconds(UInt64(delay) * 10 - 1))
            #expect(port.outcome(close) == nil)
            #expect(port.server?.port.outputs == [])
            port.advance(.milliseconds(1))
            #expect(port.outcome(close) == .done)
            #expect(port.milliseconds(close, since: start) == UInt64(delay) * 10)
            #expect(port.server?.port.outputs == [.dtr, .rts])
            #expect(port.outcome(open) == nil)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            _ = try self.file(port, open)
            #expect(port.disconnections.count == 1)
        }
    }

    @Test func aHangUpUnderAWaitingOpen() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            let file = try port.openFile(nonBlocking: true)
            port.server?.forget()
            let hangUp = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            #expect(port.outcome(hangUp) == .ioctl([]))
            let commands: [ControlValue] = [.dtrOff, .rtsOff, .dtrOn, .rtsOn]
            #expect(port.server?.commands == commands.map { .setControl($0) })
            #expect(port.outcome(open) == nil)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            _ = try self.file(port, open)
        }
    }

    /// Who waits for carrier keeps the connection, and has it made again.
    @Test func theConnectionIsLostUnderAWaitingOpen() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.seconds(3))
            #expect(port.outcome(open) == nil)
            port.network = .accepts
            port.advance(.seconds(5))
            #expect(port.tty.link == .up)
            #expect(port.server?.port.outputs == [.dtr, .rts])
            #expect(port.outcome(open) == nil)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            _ = try file(port, open)
        }
    }

    /// When patience ends, it fails as an open does that finds no server.
    @Test(arguments: [0, 15] as [UInt64]) func theServerStaysAway(_ patience: UInt64) throws {
        try withoutCLOCAL({ $0.lossTimeout = .seconds(patience) }) { port in
            let open = port.open()
            port.network = .refuses(.connectionRefused)
            let start = port.clock.now
            port.breakLink()
            port.advance(.seconds(60))
            #expect(port.outcome(open) == .error(.connectionRefused))
            #expect(port.milliseconds(open, since: start).map { $0 >= patience * 1000 } == true)
            #expect(port.tty.link == .down)
        }
    }

    // The counters while a connection is lost.

    @Test func linesThatComeBackAreChanges() throws {
        try withPort { port in
            port.inputs = [.dcd, .cts]
            let file = try port.openRaw()
            let loss = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.dcd.rawValue))
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            #expect(port.outcome(loss) == .ioctl([]))
            let counters = try port.get(file, .TIOCGICOUNT)
            #expect(counters.number(at: 0) == 1 && counters.number(at: 12) == 1)
            let back = port.ioctl(file, .TIOCMIWAIT, value: UInt64(ModemLines.dcd.rawValue))
            port.network = .accepts
            port.advance(.seconds(5))
            #expect(port.outcome(back) == .ioctl([]))
            try #expect(port.get(file, .TIOCGICOUNT).number(at: 12) == 2)
        }
    }

    /// Changes between a close and the next open do not count.
    @Test func aCloseIsNoChange() throws {
        try withPort { port in
            port.inputs = [.dcd, .cts]
            _ = port.release(try port.openFile())
            let file = try port.openFile()
            try #expect(port.get(file, .TIOCGICOUNT) == [UInt8](repeating: 0, count: 80))
        }
    }
}
