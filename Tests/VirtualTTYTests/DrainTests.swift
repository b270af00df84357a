import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Waiting for output, and breaks (TTY-SPEC F.2 31 to 33, F.6 106 to 109; DESIGN 3).
@Suite struct DrainTests {
    private static let barrier = ServerPlayer.Heard.command(.setModemStateMask(ModemState(rawValue: 255)))
    private static let breakOn = ServerPlayer.Heard.command(.setControl(.breakOn))
    private static let breakOff = ServerPlayer.Heard.command(.setControl(.breakOff))

    private func draining(
        _ prepare: (PortBench) -> Void = { _ in }, _ body: (PortBench, FileID, MonotonicTime) throws -> Void
    ) throws {
        try withPort { port in
            prepare(port)
            let file = try port.openRaw()
            try body(port, file, port.clock.now)
        }
    }

    /// 960 bytes at 9600 8N1 take a second, less what a frame's time is rounded down by.
    @Test func item109OutputTakesItsTime() throws {
        try draining { port, file, start in
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            try #expect(port.number(file, .TIOCOUTQ) == 960)
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.milliseconds(500))
            try #expect(port.number(file, .TIOCOUTQ) == 480)
            port.advance(.milliseconds(498))
            #expect(port.outcome(drain) == nil)
            try #expect(port.number(file, .TIOCOUTQ) > 0)
            port.advance(.milliseconds(10))
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.milliseconds(drain, since: start) == 999)
            try #expect(port.number(file, .TIOCOUTQ) == 0)
            #expect(port.server?.data == [UInt8](repeating: 1, count: 960))
            #expect(port.server?.heard.last == Self.barrier)
        }
    }

    @Test func nothingWrittenIsDrained() throws {
        try draining { port, file, _ in
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.segments == [])
        }
    }

    /// The barrier's answer is waited for, however long after the line should be free.
    @Test func theBarrierCounts() throws {
        try draining { port, file, start in
            port.delay = .seconds(3)
            _ = port.write(file, [1])
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.milliseconds(2999))
            #expect(port.outcome(drain) == nil)
            port.advance(.milliseconds(2))
            #expect(port.milliseconds(drain, since: start) == 3000)
        }
    }

    /// A barrier that overtook stopped output would confirm bytes that were not sent.
    @Test func theBarrierStaysBehindStoppedOutput() throws {
        try draining { port, file, _ in
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, [1])
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.server?.heard == [])
            try port.change(file) { $0.setBaud(19200) }
            #expect(port.server?.heard == [.command(.setBaudRate(19200))])
            _ = port.ioctl(file, .TCXONC, value: 1)
            port.advance(.milliseconds(10))
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.server?.heard == [.command(.setBaudRate(19200)), .data([1]), Self.barrier])
        }
    }

    @Test func aLostBarrierIsGivenUp() throws {
        try draining { port, file, start in
            port.isMute = true
            _ = port.write(file, [1])
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.seconds(20))
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.milliseconds(drain, since: start).map { $0 < 11_000 } == true)
        }
    }

    /// A server that answers nothing usable: its socket must have acknowledged all, and the line be free.
    @Test func withoutABarrier() throws {
        try draining({ $0.profile.unanswered = [1, 11] }) { port, file, start in
            port.socket.unacknowledged = 100
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.milliseconds(500))
            #expect(port.outcome(drain) == nil)
            #expect(port.server?.commands == [])
            port.socket.unacknowledged = 0
            port.advance(.milliseconds(10))
            #expect(port.milliseconds(drain, since: start).map { $0 <= 510 } == true)
        }
    }

    @Test func item106ABreakIsInPlace() throws {
        try draining { port, file, start in
            _ = port.write(file, Array("before"))
            let request = port.ioctl(file, .TCSBRK, value: 0)
            port.advance(.milliseconds(100))
            #expect(port.server?.heard == [.data(Array("before")), Self.barrier, Self.breakOn])
            // Writes wait meanwhile.
            _ = port.write(file, Array("after"))
            port.advance(.milliseconds(100))
            #expect(port.server?.data == Array("before"))
            port.advance(.milliseconds(100))
            #expect(port.outcome(request) == .ioctl([]))
            #expect(port.milliseconds(request, since: start) == 256)
            let heard = [.data(Array("before")), Self.barrier, Self.breakOn, Self.breakOff, .data(Array("after"))]
            #expect(port.server?.heard == heard)
        }
    }

    @Test(arguments: [(0, 250), (1, 100), (3, 300), (25, 2500)] as [(UInt64, UInt64)])
    func item107ABreaksLength(_ argument: UInt64, _ length: UInt64) throws {
        try draining { port, file, start in
            let request = port.ioctl(file, .TCSBRKP, value: argument)
            #expect(port.server?.heard == [Self.breakOn])
            port.advance(.milliseconds(length - 1))
            #expect(port.outcome(request) == nil)
            port.advance(.milliseconds(1))
            #expect(port.outcome(request) == .ioctl([]))
            #expect(port.server?.heard == [Self.breakOn, Self.breakOff])
            #expect(port.milliseconds(request, since: start) == length)
        }
    }

    @Test func breaksOnAndOff() throws {
        try draining { port, file, _ in
            _ = port.write(file, Array("x"))
            let on = port.ioctl(file, .TIOCSBRK)
            #expect(port.outcome(on) == nil)
            port.advance(.milliseconds(10))
            #expect(port.outcome(on) == .ioctl([]))
            #expect(port.server?.port.isBreaking == true)
            let off = port.ioctl(file, .TIOCCBRK)
            #expect(port.outcome(off) == .ioctl([]))
            #expect(port.server?.port.isBreaking == false)
        }
    }

    @Test func aBreakFollowsABreak() throws {
        try draining { port, file, start in
            let one = port.ioctl(file, .TCSBRK, value: 0)
            let other = port.ioctl(file, .TCSBRK, value: 0)
            port.advance(.seconds(1))
            #expect(port.milliseconds(one, since: start) == 250)
            #expect(port.milliseconds(other, since: start) == 500)
            #expect(port.server?.heard == [Self.breakOn, Self.breakOff, Self.breakOn, Self.breakOff])
        }
    }

    @Test func item108AStalledPeer() throws {
        try draining { port, file, _ in
            port.room = 0
            _ = port.write(file, Array("stuck"))
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.advance(.seconds(60))
            #expect(port.outcome(drain) == nil)
            port.interrupt(drain)
            #expect(port.outcome(drain) == .error(.interrupted))
        }
    }

    @Test(arguments: [Ioctl.TCSETSW, .TCSETSW2, .TCSETAW]) func item31SettingsAfterOutput(_ ioctl: Ioctl) throws {
        try draining { port, file, start in
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let set = try port.set(file, ioctl) { $0.setBaud(19200) }
            port.advance(.milliseconds(998))
            #expect(port.server?.port.settings.baud == 9600)
            #expect(port.outcome(set) == nil)
            port.advance(.milliseconds(10))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.milliseconds(set, since: start) == 999)
            #expect(port.server?.commands.last == .setBaudRate(19200))
        }
    }

    @Test func items32And33UnreadInput() throws {
        try draining { port, file, _ in
            port.far { $0.send(Array("unread")) }
            try port.change(file, .TCSETSW) { _ in }
            try #expect(port.number(file, .FIONREAD) == 6)
            try port.change(file, .TCSETSF) { _ in }
            try #expect(port.number(file, .FIONREAD) == 0)
        }
    }

    /// TCSETSF drops what comes until the output is out, too.
    @Test func theFlushComesAfterTheOutput() throws {
        try draining { port, file, _ in
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            let set = try port.set(file, .TCSETSF2) { $0.setBaud(19200) }
            port.far { $0.send(Array("answer")) }
            port.advance(.seconds(1))
            #expect(port.outcome(set) == .ioctl([]))
            try #expect(port.number(file, .FIONREAD) == 0)
        }
    }

    /// A break that is cut short lets what waits behind it go on.
    @Test func anInterruptedBreakLetsGo() throws {
        try draining { port, file, _ in
            let one = port.ioctl(file, .TCSBRK, value: 0)
            _ = port.write(file, Array("after"))
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            port.interrupt(one)
            #expect(port.outcome(one) == .error(.interrupted))
            port.advance(.milliseconds(20))
            #expect(port.outcome(drain) == .ioctl([]))
            #expect(port.server?.heard.prefix(2) == [Self.breakOn, Self.breakOff])
            #expect(port.server?.data == Array("after"))
        }
    }

    @Test func anInterruptedBreakLetsTheNextBegin() throws {
        try draining { port, file, _ in
            let one = port.ioctl(file, .TCSBRK, value: 0)
            let other = port.ioctl(file, .TCSBRK, value: 0)
            port.interrupt(one)
            port.advance(.milliseconds(250))
            #expect(port.outcome(other) == .ioctl([]))
        }
    }
}
