import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

// Carrier that fell before the open, which the server reports late.
extension CarrierTests {
    /// At B0 the opening says DTR off to a server that had raised DTR for the new connection. Carrier falls with it,
    /// and the server reports that after the open is complete.
    @Test(arguments: [0, 100, 1000] as [UInt64]) func anEventFromBeforeTheOpenDoesNotHangItUp(_ late: UInt64) throws {
        try withPort { port in
            let first = try port.openRaw()
            try port.change(first) {
                $0.setBaud(0)
                $0.cflag.remove(.CLOCAL)
            }
            _ = port.release(first)
            #expect(port.tty.link == .down)
            port.inputs = [.dcd]
            let file = try port.openFile(nonBlocking: true)
            try #expect(port.lines(file) == .dcd)
            port.advance(.milliseconds(late))
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.tty.link == .up)
            _ = try port.termios(file)
            try #expect(port.lines(file) == [])
            // It counts as a change.
            try #expect(port.get(file, .TIOCGICOUNT).number(at: 12) == 1)
            // A carrier that comes now is this open's.
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// The same, if the server first reports how the lines were before it raised DTR.
    @Test func aServerReportsItsOwnCarrierFirst() throws {
        try withPort { port in
            let first = try port.openRaw()
            try port.change(first) {
                $0.setBaud(0)
                $0.cflag.remove(.CLOCAL)
            }
            _ = port.release(first)
            let file = try port.openFile(nonBlocking: true)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            port.far { $0.setLines([], now: port.clock.now) }
            _ = try port.termios(file)
        }
    }

    /// On a connection that is kept, a close lowers DTR, and the next open comes before the server reports the fall.
    @Test(arguments: [false, true]) func theFallOfTheLastCloseIsReportedLate(_ asPulse: Bool) throws {
        try withPort({ $0.linger = .seconds(60) }) { port in
            port.inputs = [.dcd]
            let first = try port.openRaw()
            try port.change(first) { $0.cflag.remove(.CLOCAL) }
            _ = port.release(first)
            let file = try port.openFile(nonBlocking: true)
            port.advance(.milliseconds(900))
            port.far {
                if asPulse {
                    $0.send(.notifyModemState([.dcd, .deltaDCD]))
                } else {
                    $0.setLines([], now: port.clock.now)
                    $0.setLines([.dcd], now: port.clock.now)
                }
            }
            _ = try port.termios(file)
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// The late report has a limit: carrier that stays is this open's.
    @Test func aLaterLossHangsUp() throws {
        try withoutCLOCAL { port in
            port.inputs = [.dcd]
            let file = try port.openFile(nonBlocking: true)
            port.advance(.seconds(2))
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// Carrier that comes after the open and goes at once is lost, though the last close was just before.
    @Test func aShortCallAfterAnOpenHangsUp() throws {
        try withoutCLOCAL { port in
            let file = try port.openFile(nonBlocking: true)
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// So is a carrier that the open has waited for.
    @Test func aShortCallThatWasWaitedForHangsUp() throws {
        try withoutCLOCAL { port in
            let open = port.open()
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            let file = try file(port, open)
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// A program that lowers DTR itself loses its carrier by it, as on any serial port.
    @Test func aProgramsOwnDTR() throws {
        try withPort { port in
            port.inputs = [.dcd]
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// The same on a connection that is made again under an open file.
    @Test func aReconnectionAtB0DoesNotHangUp() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) {
                $0.setBaud(0)
                $0.cflag.remove(.CLOCAL)
            }
            // The server raises DTR for each connection, and its peer answers with carrier.
            port.inputs = [.dcd]
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.connections == 2)
            try #expect(port.lines(file) == .dcd)
            port.far { $0.setLines([], now: port.clock.now) }
            try #expect(port.lines(file) == [])
            // A carrier that comes now is this file's.
            port.far { $0.setLines([.dcd], now: port.clock.now) }
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }

    /// At any other rate the connection is made again with DTR up: a carrier that falls then is lost.
    @Test func aLossAfterAReconnectionHangsUp() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            port.inputs = [.dcd]
            port.breakLink()
            port.advance(.seconds(1))
            try #expect(port.lines(file) == [.dtr, .rts, .dcd])
            port.far { $0.setLines([], now: port.clock.now) }
            #expect(port.readiness(file) == 0x15D)
        }
    }
}
