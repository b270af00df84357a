import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// A connection that breaks while files are open (DESIGN 7).
@Suite struct LinkLossTests {
    @Test func filesSurvive() throws {
        try withPort { port in
            port.inputs = [.cts, .dcd]
            let file = try port.openRaw()
            try port.change(file) {
                $0.setBaud(19200)
                $0.cflag.insert(.PARENB)
            }
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            let read = port.read(file)
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            // The far end's lines read low at once.
            try #expect(port.lines(file) == .rts)
            let write = port.write(file, Array("kept"))
            #expect(port.outcome(write) == .written(4))
            port.advance(.seconds(2))
            #expect(port.outcome(read) == nil)
            port.network = .accepts
            port.segments.removeAll()
            port.advance(.seconds(4))
            #expect(port.tty.link == .up)
            // Everything is told again, in one segment; then come our replies to the server's options, and the data.
            #expect(port.segments.count == 3)
            #expect(port.segments.last == Array("kept"))
            #expect(port.server?.port.settings.baud == 19200)
            #expect(port.server?.port.settings.parity == .even)
            #expect(port.server?.port.outputs == .rts)
            #expect(port.server?.data == Array("kept"))
            // What the server holds for the port is not purged.
            #expect(port.server?.commands.contains(.purgeData(1)) == false)
            try #expect(port.lines(file) == [.rts, .cts, .dcd])
            port.far { $0.send(Array("hello")) }
            #expect(port.outcome(read) == .data(Array("hello")))
        }
    }

    @Test func attemptsComeAtGrowingIntervals() throws {
        try withPort({ $0.lossTimeout = nil }) { port in
            _ = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            var times: [UInt64] = []
            let start = port.clock.now
            for _ in 0..<400 {
                let before = port.connections
                port.advance(.milliseconds(100))
                if port.connections > before { times.append(port.clock.now.since(start) / .milliseconds(1)) }
            }
            #expect(times.prefix(8) == [100, 200, 400, 800, 1600, 3200, 6400, 11400])
        }
    }

    @Test func patienceEnds() throws {
        try withPort({ $0.lossTimeout = .seconds(15) }) { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.network = .refuses(.connectionRefused)
            let start = port.clock.now
            port.breakLink()
            port.advance(.seconds(14))
            #expect(port.outcome(read) == nil)
            port.advance(.seconds(2))
            #expect(port.outcome(read) == .data([]))
            #expect(port.milliseconds(read, since: start) == 15_000)
            let attempts = port.connections
            port.advance(.seconds(60))
            #expect(port.connections == attempts)
            #expect(port.tty.link == .down)
        }
    }

    @Test func patienceEndsWhileConnecting() throws {
        try withPort { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.network = .silent
            let start = port.clock.now
            port.breakLink()
            port.advance(.seconds(60))
            #expect(port.outcome(read) == .data([]))
            #expect(port.milliseconds(read, since: start) == 15_000)
            #expect(port.tty.link == .down)
        }
    }

    @Test func noPatience() throws {
        try withPort({ $0.lossTimeout = 0 }) { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.breakLink()
            #expect(port.outcome(read) == .data([]))
            port.advance(.seconds(60))
            #expect(port.connections == 1)
        }
    }

    @Test func endlessPatience() throws {
        try withPort({ $0.lossTimeout = nil }) { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.seconds(3600))
            #expect(port.outcome(read) == nil)
            port.network = .accepts
            port.advance(.seconds(6))
            port.far { $0.send(Array("x")) }
            #expect(port.outcome(read) == .data(Array("x")))
        }
    }

    /// Carrier goes with the connection: without CLOCAL that is a hang-up.
    @Test func carrierIsLostWithTheConnection() throws {
        try withPort { port in
            port.inputs = [.dcd]
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            let read = port.read(file)
            port.breakLink()
            #expect(port.outcome(read) == .data([]))
        }
    }

    @Test func withoutCarrierThereIsNoneToLose() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.CLOCAL) }
            let read = port.read(file)
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.outcome(read) == nil)
            #expect(port.tty.link == .up)
        }
    }

    @Test func aWriteThatWaitsGoesOn() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            let write = port.write(file, [UInt8](repeating: 1, count: 10_000))
            #expect(port.outcome(write) == nil)
            port.network = .accepts
            port.advance(.seconds(1))
            #expect(port.outcome(write) == .written(10_000))
            #expect(port.server?.data.count == 10_000)
        }
    }

    @Test func whatMayBeLostIsSaid() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 2
            _ = port.write(file, Array("hello"))
            port.breakLink()
            #expect(port.log.last == "2 bytes lost with the connection: 0 unacknowledged, 2 unconfirmed")
            // What no socket took is kept.
            port.makeRoom(.max)
            port.advance(.seconds(1))
            #expect(port.server?.data == Array("llo"))
            #expect(port.tty.state.lostBytes == 2)
        }
    }

    @Test func whatAHangUpLosesIsSaid() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            _ = port.write(file, [UInt8](repeating: 1, count: 1234))
            port.advance(.seconds(20))
            #expect(port.readiness(file) == 0x15D)
            #expect(port.log.contains { $0.contains("1234 bytes") })
        }
    }

    /// tcsetattr does not wait for a server that is gone.
    @Test func aSettingDoesNotWait() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            let set = try port.set(file) { $0.setBaud(19200) }
            port.isMute = false
            port.breakLink()
            #expect(port.outcome(set) == .ioctl([]))
            let later = try port.set(file) { $0.setBaud(57600) }
            #expect(port.outcome(later) == .ioctl([]))
            port.advance(.seconds(1))
            #expect(port.server?.port.settings.baud == 57600)
        }
    }

    /// What a program sets while the connection is being made again is not lost.
    @Test func settingsWhileOpeningAgain() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.delay = .milliseconds(100)
            port.breakLink()
            port.advance(.milliseconds(150))
            guard case .opening = port.tty.link else { throw BenchError(what: "not opening") }
            let set = try port.set(file) { $0.setBaud(19200) }
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            port.advance(.seconds(1))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.server?.port.settings.baud == 19200)
            try #expect(port.termios(file).ospeed == 19200)
            #expect(port.server?.port.outputs == .rts)
            try #expect(port.lines(file) == .rts)
        }
    }

    @Test func aBreakEndsWithTheConnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            let request = port.ioctl(file, .TCSBRK, value: 0)
            port.breakLink()
            #expect(port.outcome(request) == .ioctl([]))
            port.advance(.seconds(1))
            #expect(port.server?.port.isBreaking == false)
        }
    }

    /// TIOCSBRK's lasts until TIOCCBRK.
    @Test func aBreakWithoutAnEndComesBack() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSBRK)
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.server?.port.isBreaking == true)
            _ = port.ioctl(file, .TIOCCBRK)
            #expect(port.server?.port.isBreaking == false)
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.server?.commands.contains(.setControl(.breakOn)) == false)
        }
    }

    /// What the socket had sent and its peer had not acknowledged may be lost as well.
    @Test func whatThePeerHasNotAcknowledgedIsCounted() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 2
            _ = port.write(file, Array("hello"))
            port.socket.unacknowledged = 1
            port.breakLink()
            #expect(port.log.last == "2 bytes lost with the connection: 1 unacknowledged, 1 unconfirmed")
        }
    }

    @Test func aDrainGoesOnWithTheNextConnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.seconds(2))
            #expect(port.outcome(drain) == nil)
            port.network = .accepts
            port.advance(.seconds(4))
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.server?.data.count == 96)
        }
    }

    @Test func closingWhileLost() throws {
        for connect in PortConfiguration.ConnectPolicy.allCases {
            try withPort({ $0.connect = connect }) { port in
                port.tell { $0.start() }
                let file = try port.openRaw()
                port.network = .refuses(.connectionRefused)
                port.breakLink()
                port.advance(.seconds(1))
                let close = port.release(file)
                #expect(port.outcome(close) == .done)
                let attempts = port.connections
                port.advance(.seconds(60))
                #expect((port.connections == attempts) == (connect == .open))
            }
        }
    }

    /// The first failure of each open is said aloud, whatever failed before.
    @Test func everyOpensFailureIsSaid() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.seconds(2))
            _ = port.release(file)
            let said = port.log.count { $0 == PortBench.refused }
            _ = port.open()
            #expect(port.log.count { $0 == PortBench.refused } == said + 1)
        }
    }
}
