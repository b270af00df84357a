import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// What a hang-up does to every open file (TTY-SPEC C18 to C22, F.8 130 to 135).
@Suite struct HangUpTests {
    /// A port whose connection breaks for good.
    private func hungUp(
        before: (PortBench, FileID) throws -> Void = { _, _ in }, _ body: (PortBench, FileID) throws -> Void
    ) throws {
        try withPort({ $0.lossTimeout = 0 }) { port in
            let file = try port.openRaw()
            try before(port, file)
            port.breakLink()
            try body(port, file)
        }
    }

    @Test func afterwardsAFileIsDead() throws {
        try hungUp(before: { port, _ in port.far { $0.send(Array("unread")) } }) { port, file in
            for nonBlocking in [false, true] {
                let read = port.read(file, nonBlocking: nonBlocking)
                #expect(port.outcome(read) == .data([]))
                for bytes in [Array("x"), []] as [[UInt8]] {
                    let write = port.write(file, bytes, nonBlocking: nonBlocking)
                    #expect(port.outcome(write) == .error(.ioError))
                }
            }
            for command in Ioctl.allCases.map(\.rawValue) + [0x1234] {
                let call = port.call(file, command)
                #expect(port.outcome(call) == .error(.ioError))
            }
            #expect(port.readiness(file) == 0x15D)
            let close = port.release(file)
            #expect(port.outcome(close) == .done)
        }
    }

    @Test func item133WhoWaits() throws {
        try withPort({ $0.lossTimeout = 0 }) { port in
            let file = try port.openRaw()
            let second = try port.openFile()
            let read = port.read(file)
            let queued = port.read(second)
            port.room = 0
            let write = port.write(file, [UInt8](repeating: 1, count: 30_000))
            let none = port.write(second, [1])
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            let wait = port.ioctl(second, .TIOCMIWAIT, value: 0x20)
            _ = port.poll(file, 1, notifies: true)
            _ = port.poll(second, 0, notifies: true)
            port.breakLink()
            #expect(port.outcome(read) == .data([]))
            #expect(port.outcome(queued) == .data([]))
            #expect(port.outcome(write) == .written(960 + 4096))
            #expect(port.outcome(none) == .error(.ioError))
            #expect(port.outcome(drain) == .error(.ioError))
            #expect(port.outcome(wait) == .error(.ioError))
            #expect(Set(port.notified) == [file, second])
            #expect(port.tty.parkedCount == 0)
        }
    }

    @Test func item135OldFilesStayDead() throws {
        try hungUp { port, old in
            let new = try port.openFile()
            port.far { $0.send(Array("x")) }
            let oldRead = port.read(old)
            #expect(port.outcome(oldRead) == .data([]))
            let newRead = port.read(new)
            #expect(port.outcome(newRead) == .data(Array("x")))
            // The old one's close is not the last one's.
            let close = port.release(old)
            #expect(port.outcome(close) == .done)
            #expect(port.tty.link == .up)
            #expect(port.server?.port.outputs == [.dtr, .rts])
            _ = port.release(new)
            #expect(port.tty.link == .down)
        }
    }

    /// The line is not left breaking.
    @Test(arguments: [false, true]) func aHangUpInABreak(_ isTimed: Bool) throws {
        try withPort({ $0.connect = .always }) { port in
            port.tell { $0.start() }
            let file = try port.openRaw()
            let request = isTimed ? port.ioctl(file, .TCSBRK, value: 0) : port.ioctl(file, .TIOCSBRK)
            #expect(port.server?.port.isBreaking == true)
            let hangUp = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            #expect(port.outcome(hangUp) == .ioctl([]))
            #expect(port.outcome(request) == (isTimed ? .error(.ioError) : .ioctl([])))
            #expect(port.server?.port.isBreaking == false)
            #expect(port.server?.commands.count { $0 == .setControl(.breakOff) } == 1)
        }
    }

    /// Bytes that were not written to the socket are dropped (uart_flush_buffer).
    @Test func outputOfAHungUpPortIsDropped() throws {
        try withPort({ $0.connect = .always }) { port in
            port.tell { $0.start() }
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 0x55, count: 20_000))
            _ = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            port.makeRoom(.max)
            #expect(port.segments.flatMap(\.self).contains(0x55) == false)
        }
    }

    @Test func shuttingDown() throws {
        try withPort { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.tell { $0.shutDown() }
            #expect(port.outcome(read) == .data([]))
            #expect(port.tty.link == .down)
            #expect(port.disconnections == [true])
            // DTR and RTS fall, as at a last close.
            let last = wire("FF FA 2C 05 09 FF F0 | DTR off\nFF FA 2C 05 0C FF F0 | RTS off")
            #expect(port.segments.flatMap(\.self) == last)
        }
    }

    @Test func shuttingDownWhileOpening() throws {
        try withPort { port in
            port.network = .silent
            let open = port.open()
            port.tell { $0.shutDown() }
            #expect(port.outcome(open) == .error(.ioError))
            #expect(port.tty.link == .down)
        }
    }

    @Test func shuttingDownWhileClosing() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, [1])
            let close = port.release(file)
            #expect(port.outcome(close) == nil)
            port.tell { $0.shutDown() }
            #expect(port.outcome(close) == .done)
        }
    }
}
