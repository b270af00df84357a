import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// open(2) and close(2) (TTY-SPEC C, F.8; DESIGN 1, 2, 5, 6).
@Suite struct OpenCloseTests {
    private static let busy = Outcome.error(.resourceBusy)

    @Test func oneSegmentOpensThePort() throws {
        try withPort { port in
            port.delay = .milliseconds(40)
            let start = port.clock.now
            let id = port.open()
            #expect(port.segments.count == 1)
            // Masks, all settings, a purge of what is nobody's, the lines.
            let commands: [ComPortCommand] = [
                .setModemStateMask(ModemState(rawValue: 255)), .setControl(.flow(.xonXoff)),
                .setControl(.inboundFlow(.none)), .setDataSize(8), .setParity(1), .setStopSize(1), .setBaudRate(9600),
                .purgeData(1), .setControl(.dtrOn), .setControl(.rtsOn),
            ]
            #expect(port.server?.commands == commands)
            #expect(port.outcome(id) == nil)
            port.advance(.milliseconds(100))
            #expect(port.milliseconds(id, since: start) == 40)
            #expect(port.server?.commands == commands)
        }
    }

    @Test func refusedConnections() throws {
        try withPort { port in
            port.network = .refuses(.connectionRefused)
            let id = port.open()
            #expect(port.outcome(id) == .error(.connectionRefused))
            #expect(port.log == ["refused"])
            port.advance(.seconds(60))
            #expect(port.connections == 1)
            port.network = .accepts
            _ = try port.openFile()
            #expect(port.connections == 2)
        }
    }

    @Test(arguments: [1, 5] as [UInt64]) func noAnswerAtAll(_ seconds: UInt64) throws {
        try withPort({ $0.connectTimeout = .seconds(seconds) }) { port in
            port.network = .silent
            let start = port.clock.now
            let id = port.open()
            port.advance(.seconds(10))
            #expect(port.outcome(id) == .error(.timedOut))
            #expect(port.milliseconds(id, since: start) == seconds * 1000)
            #expect(port.disconnections == [false])
            #expect(port.tty.link == .down)
        }
    }

    @Test func aServerThatSaysNothing() throws {
        try withPort { port in
            port.profile.telnet = .mute
            let id = port.open()
            port.advance(.seconds(10))
            #expect(port.outcome(id) == .error(.protocolError))
            #expect(port.tty.link == .down)
        }
    }

    @Test func aServerOfAnotherKind() throws {
        try withPort { port in
            port.profile.accepted = []
            port.profile.offered = []
            port.profile.offers = []
            port.profile.banner = Array("login: ")
            let id = port.open()
            #expect(port.outcome(id) == .error(.protocolError))
            #expect(port.log.contains { $0.contains("login: ") })
        }
    }

    @Test func aConnectionThatBreaksWhileOpening() throws {
        try withPort { port in
            port.isMute = true
            let id = port.open()
            port.breakLink()
            #expect(port.outcome(id) == .error(.connectionReset))
            port.advance(.seconds(60))
            #expect(port.connections == 1)
        }
    }

    @Test func settingsNobodyAnswersHoldASecond() throws {
        try withPort { port in
            port.prepare = { $0.leavesUnanswered = { if case .setStopBits = $0 { true } else { false } } }
            let start = port.clock.now
            let id = port.open()
            port.advance(.seconds(10))
            guard case .opened = port.outcome(id) else { throw BenchError(what: "no open") }
            #expect(port.milliseconds(id, since: start).map { $0 <= 1000 } == true)
        }
    }

    @Test func opensShareAConnection() throws {
        try withPort { port in
            port.delay = .milliseconds(40)
            let ids = [port.open(), port.open(), port.open()]
            port.advance(.milliseconds(50))
            let files = ids.compactMap { if case .opened(let file) = port.outcome($0) { file } else { nil } }
            #expect(Set(files).count == 3)
            #expect(port.connections == 1)
            for file in files { _ = port.release(file) }
            #expect(port.disconnections == [true])
        }
    }

    @Test func items123To125Exclusive() throws {
        try withPort { port in
            let file = try port.openFile()
            let second = try port.openFile()
            _ = port.ioctl(file, .TIOCEXCL)
            try #expect(port.number(file, .TIOCGEXCL) == 1)
            #expect(port.outcome(port.open()) == Self.busy)
            guard case .opened(let third) = port.outcome(port.open(isAdministrator: true)) else {
                throw BenchError(what: "the administrator was kept out")
            }
            // Any holder may lift it.
            _ = port.ioctl(second, .TIOCNXCL)
            let fourth = try port.openFile()
            _ = port.ioctl(second, .TIOCEXCL)
            for file in [file, second, third] { _ = port.release(file) }
            #expect(port.outcome(port.open()) == Self.busy)
            // It ends with the last close.
            _ = port.release(fourth)
            _ = try port.openFile()
        }
    }

    @Test func items126And127WhatSurvivesTheLastClose() throws {
        try withPort { port in
            let file = try port.openRaw(min: 7)
            try port.change(file) { $0.setBaud(19200) }
            port.far { $0.send(Array("unread")) }
            _ = port.release(file)
            let again = try port.openFile()
            let termios = try port.termios(again)
            #expect(termios[.VMIN] == 7 && termios.ospeed == 19200)
            #expect(port.server?.port.settings.baud == 19200)
            try #expect(port.number(again, .FIONREAD) == 0)
        }
    }

    @Test func item136HangUpOnClose() throws {
        for keeps in [false, true] {
            try withPort({ $0.linger = .seconds(10) }) { port in
                let file = try port.openRaw()
                if keeps { try port.change(file) { $0.cflag.remove(.HUPCL) } }
                _ = port.release(file)
                #expect(port.server?.port.outputs == (keeps ? [.dtr, .rts] : []))
            }
        }
    }

    @Test func theLinesLeaveBeforeTheConnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.release(file)
            #expect(port.server == nil)
            // What was said last went out before the end.
            let last = wire("FF FA 2C 05 09 FF F0 | DTR off\nFF FA 2C 05 0C FF F0 | RTS off")
            #expect(port.segments.flatMap(\.self) == last)
        }
    }

    @Test func linesLeftAlone() throws {
        try withPort({
            $0.lines = .leave
            $0.linger = .seconds(10)
        }) { port in
            let file = try port.openFile()
            _ = try port.openFile()
            for command in port.server?.commands ?? [] {
                #expect(command.answerKind != .dtr && command.answerKind != .rts)
            }
            port.server?.forget()
            // A program may still say what it wants.
            _ = port.setLines(file, .TIOCMBIS, .dtr)
            #expect(port.server?.commands == [.setControl(.dtrOn)])
            port.server?.forget()
            _ = port.release(file)
            #expect(port.server?.commands == [])
        }
    }

    @Test func item137ACloseWaitsForOutput() throws {
        try withPort { port in
            let file = try port.openRaw()
            let start = port.clock.now
            _ = port.write(file, [UInt8](repeating: 1, count: 1920))
            let close = port.release(file)
            port.advance(.milliseconds(1990))
            #expect(port.outcome(close) == nil)
            port.advance(.milliseconds(20))
            #expect(port.outcome(close) == .done)
            #expect(port.milliseconds(close, since: start) == 1999)
            #expect(port.disconnections == [true])
        }
    }

    @Test(arguments: [(3000, 30_000), (65535, 0), (100, 1000)] as [(UInt32, UInt64)])
    func closingWait(_ value: UInt32, _ milliseconds: UInt64) throws {
        try withPort { port in
            let file = try port.openRaw()
            var bytes = try port.get(file, .TIOCGSERIAL)
            bytes.replaceSubrange(40..<44, with: value.littleEndian)
            _ = port.ioctl(file, .TIOCSSERIAL, bytes, isAdministrator: true)
            port.room = 0
            _ = port.write(file, Array("stuck"))
            let start = port.clock.now
            let close = port.release(file)
            port.advance(.seconds(60))
            #expect(port.outcome(close) == .done)
            #expect(port.milliseconds(close, since: start) == milliseconds)
            #expect(port.log.contains { $0.contains("5 bytes") })
            #expect(port.tty.link == .down)
        }
    }

    @Test func anInterruptedCloseDrainsOn() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            port.interrupt(close)
            #expect(port.outcome(close) == .done)
            #expect(port.tty.link == .up)
            port.advance(.seconds(2))
            #expect(port.tty.link == .down)
        }
    }

    @Test func item138StoppedOutputIsDropped() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, Array("dropped"))
            let close = port.release(file)
            #expect(port.outcome(close) == .done)
            #expect(port.segments.flatMap(\.self).contains(UInt8(ascii: "d")) == false)
        }
    }

    @Test func anOpenEndsAClose() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            let again = try port.openFile()
            #expect(port.outcome(close) == .done)
            #expect(port.connections == 1)
            port.advance(.seconds(5))
            #expect(port.server?.data.count == 960)
            #expect(port.tty.link == .up)
            _ = port.release(again)
        }
    }

    @Test func lingering() throws {
        try withPort({ $0.linger = .seconds(3) }) { port in
            _ = port.release(try port.openRaw())
            port.advance(.milliseconds(2900))
            #expect(port.tty.link == .up)
            let file = try port.openFile()
            #expect(port.connections == 1)
            port.advance(.seconds(10))
            #expect(port.tty.link == .up)
            _ = port.release(file)
            port.advance(.milliseconds(2900))
            #expect(port.tty.link == .up)
            port.advance(.milliseconds(200))
            #expect(port.tty.link == .down)
            #expect(port.disconnections == [true])
        }
    }

    @Test func alwaysConnected() throws {
        try withPort({ $0.connect = .always }) { port in
            port.tell { $0.start() }
            #expect(port.tty.link == .up)
            // Nothing is raised for nobody.
            #expect(port.server?.port.outputs == [])
            let file = try port.openFile()
            #expect(port.server?.port.outputs == [.dtr, .rts])
            _ = port.release(file)
            #expect(port.tty.link == .up)
            #expect(port.server?.port.outputs == [])
            port.breakLink()
            port.network = .refuses(.connectionRefused)
            port.advance(.seconds(60))
            #expect(port.connections > 10 && port.connections < 30)
            port.network = .accepts
            port.advance(.seconds(6))
            #expect(port.tty.link == .up)
            #expect(port.connections < 30)
        }
    }

    @Test func nothingConnectsWithoutAnOpen() throws {
        try withPort { port in
            port.tell { $0.start() }
            port.advance(.seconds(60))
            #expect(port.connections == 0)
        }
    }

    @Test func anOpenGivenUp() throws {
        try withPort { port in
            port.network = .silent
            let one = port.open()
            let other = port.open()
            port.interrupt(one)
            #expect(port.outcome(one) == .error(.interrupted))
            #expect(port.disconnections == [])
            port.interrupt(other)
            #expect(port.outcome(other) == .error(.interrupted))
            #expect(port.disconnections == [false])
            #expect(port.tty.link == .down)
        }
    }
}
