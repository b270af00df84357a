import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// close(2): the conditions that it waits for, and the state that it leaves (TTY-SPEC C13, F.8; DESIGN 1, 5, 6).
@Suite struct CloseTests {
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
            // The last commands were sent before the end.
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

    private static let fallAndRise: [ComPortCommand] =
        [.dtrOff, .rtsOff, .dtrOn, .rtsOn].map { .setControl($0) }

    /// An open has to wait for a close at work, whose lines fall before they rise again; the connection is kept.
    @Test(arguments: [false, true]) func anOpenMeetsAClose(_ nonBlocking: Bool) throws {
        try withPort { port in
            let file = try port.openRaw()
            let start = port.clock.now
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            let opens = [port.open(nonBlocking: nonBlocking), port.open(nonBlocking: nonBlocking)]
            #expect(port.outcome(opens[0]) == nil)
            port.advance(.milliseconds(990))
            #expect(port.outcome(close) == nil && port.outcome(opens[1]) == nil)
            #expect(port.server?.port.outputs == [.dtr, .rts])
            port.advance(.seconds(5))
            #expect(port.outcome(close) == .done)
            for open in opens {
                guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
                #expect(port.milliseconds(open, since: start) == 999)
            }
            #expect(port.server?.commands.suffix(4) == Self.fallAndRise[...])
            #expect(port.server?.data.count == 960)
            #expect(port.connections == 1 && port.disconnections == [])
            #expect(port.tty.link == .up)
        }
    }

    /// Without HUPCL there is nothing to be seen of it.
    @Test func anOpenMeetsACloseWithoutHUPCL() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.HUPCL) }
            port.server?.forget()
            _ = port.write(file, [1])
            _ = port.release(file)
            _ = try port.openFile()
            for command in port.server?.commands ?? [] {
                #expect(command.answerKind != .dtr && command.answerKind != .rts)
            }
        }
    }

    /// After an interrupted close an open does not wait: the lines fall and rise behind the old output.
    @Test(arguments: [false, true]) func anOpenMeetsAnInterruptedClose(_ comesFirst: Bool) throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            if !comesFirst { port.interrupt(close) }
            let open = port.open()
            if comesFirst { port.interrupt(close) }
            guard case .opened(let again) = port.outcome(open) else { throw BenchError(what: "no open") }
            _ = port.write(again, Array("new"))
            port.room = .max
            port.settle()
            port.advance(.seconds(40))
            #expect(port.server?.data == [UInt8](repeating: 1, count: 960) + Array("new"))
            #expect(port.server?.heard.last == .data(Array("new")))
            #expect(port.server?.commands.suffix(4) == Self.fallAndRise[...])
            #expect(port.tty.link == .up)
        }
    }

    /// An open that waits for a close can be given up; the close goes on.
    @Test func anOpenGivenUpInAClose() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            let open = port.open()
            port.interrupt(open)
            #expect(port.outcome(open) == .error(.interrupted))
            #expect(port.outcome(close) == nil)
            port.advance(.seconds(2))
            #expect(port.outcome(close) == .done)
            #expect(port.tty.link == .down)
        }
    }

    @Test func theConnectionIsLostInACloseThatAnOpenWaitsFor() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let close = port.release(file)
            let open = port.open()
            port.breakLink()
            #expect(port.outcome(close) == .done)
            guard case .opened = port.outcome(open) else { throw BenchError(what: "no open") }
            #expect(port.connections == 2)
        }
    }

    /// A server that answers nothing usable: the socket has to have everything acknowledged.
    @Test func aCloseWithoutABarrier() throws {
        try withPort { port in
            port.profile.unanswered = [1, 11]
            let file = try port.openRaw()
            port.socket.unacknowledged = 10
            let start = port.clock.now
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            let close = port.release(file)
            port.advance(.milliseconds(500))
            #expect(port.outcome(close) == nil)
            port.socket.unacknowledged = 0
            port.advance(.milliseconds(10))
            #expect(port.milliseconds(close, since: start).map { $0 <= 510 } == true)
        }
    }

    /// A break does not outlive the program that began it, though the connection does.
    @Test func aBreakEndsWithTheLastClose() throws {
        for connect in PortConfiguration.ConnectPolicy.allCases {
            try withPort({
                $0.linger = .seconds(10)
                $0.connect = connect
            }) { port in
                port.tell { $0.start() }
                let file = try port.openRaw()
                let other = try port.openFile()
                _ = port.ioctl(file, .TIOCSBRK)
                #expect(port.server?.port.isBreaking == true)
                _ = port.release(file)
                #expect(port.server?.port.isBreaking == true)
                _ = port.release(other)
                #expect(port.server?.port.isBreaking == false)
                port.server?.forget()
                _ = port.release(try port.openFile())
                #expect(port.server?.commands.contains(.setControl(.breakOff)) == false)
            }
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
}
