import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// FUSE_INTERRUPT for each kind of request that can wait (TTY-SPEC D.6). Opens are in `OpenTests`, TIOCMIWAIT in
/// `ModemLineTests`, writes in `WriteTests`, closes in `CloseTests`.
@Suite struct InterruptTests {
    private static let interrupted = Outcome.error(.interrupted)

    @Test func aReadWithNothing() throws {
        try withPort { port in
            let file = try port.openRaw()
            let read = port.read(file)
            port.interrupt(read)
            #expect(port.outcome(read) == Self.interrupted)
            // The kernel may say it again.
            port.interrupt(read)
            port.far { $0.send(Array("kept")) }
            try #expect(port.number(file, .FIONREAD) == 4)
        }
    }

    @Test func aReadWithSome() throws {
        try withPort { port in
            let file = try port.openRaw(min: 5)
            let read = port.read(file)
            port.far { $0.send(Array("ab")) }
            port.interrupt(read)
            #expect(port.outcome(read) == .data(Array("ab")))
        }
    }

    @Test func theNextReaderGoesOn() throws {
        try withPort { port in
            let file = try port.openRaw(min: 5)
            let one = port.read(file)
            let other = port.read(file, 2)
            let third = port.read(file)
            port.interrupt(third)
            #expect(port.outcome(third) == Self.interrupted)
            port.interrupt(one)
            #expect(port.outcome(one) == Self.interrupted)
            port.far { $0.send(Array("ab")) }
            #expect(port.outcome(other) == .data(Array("ab")))
        }
    }

    @Test func aReaderThatWaitsItsTurnTakesNothing() throws {
        try withPort { port in
            let file = try port.openRaw(min: 5)
            let one = port.read(file)
            let other = port.read(file)
            port.far { $0.send(Array("ab")) }
            port.interrupt(other)
            #expect(port.outcome(other) == Self.interrupted)
            port.far { $0.send(Array("cde")) }
            #expect(port.outcome(one) == .data(Array("abcde")))
        }
    }

    /// Settings are in force when the wait for the server's word is cut short.
    @Test func aSetting() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.delay = .milliseconds(100)
            let set = try port.set(file) { $0.setBaud(19200) }
            port.interrupt(set)
            #expect(port.outcome(set) == .ioctl([]))
            port.advance(.seconds(1))
            try #expect(port.termios(file).ospeed == 19200)
        }
    }

    /// Settings that wait for output are not in force yet.
    @Test func aSettingThatDrains() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            let set = try port.set(file, .TCSETSW2) { $0.setBaud(19200) }
            port.interrupt(set)
            #expect(port.outcome(set) == Self.interrupted)
            port.advance(.seconds(2))
            try #expect(port.termios(file).ospeed == 9600)
        }
    }

    @Test func aBreakThatDrains() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 960))
            for request in [
                port.ioctl(file, .TIOCSBRK), port.ioctl(file, .TCSBRK), port.ioctl(file, .TCSBRKP, value: 1),
            ] {
                port.interrupt(request)
                #expect(port.outcome(request) == Self.interrupted)
            }
            port.advance(.seconds(2))
            #expect(port.server?.commands.contains(.setControl(.breakOn)) == false)
        }
    }

    @Test func rs485() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.delay = .milliseconds(100)
            let set = port.ioctl(file, .TIOCSRS485, [1] + [UInt8](repeating: 0, count: 31))
            port.interrupt(set)
            #expect(port.outcome(set) == Self.interrupted)
            port.advance(.seconds(1))
        }
    }

    @Test func whatIsNotThere() throws {
        try withPort { port in
            _ = try port.openRaw()
            port.interrupt(RequestID(rawValue: 12345))
        }
    }

    /// A kernel that closes a file with requests open on it gets all of them answered.
    @Test func aReleaseEndsTheFilesRequests() throws {
        try withPort { port in
            let file = try port.openRaw()
            let kept = try port.openFile()
            let requests = [
                port.read(file), port.ioctl(file, .TIOCMIWAIT, value: 0x20), port.ioctl(file, .TCSBRK, value: 0),
                port.ioctl(file, .TCSBRK, value: 0),
            ]
            let other = port.read(kept)
            let close = port.release(file)
            #expect(port.outcome(close) == .done)
            for request in requests { #expect(port.outcome(request) == Self.interrupted) }
            #expect(port.outcome(other) == nil)
        }
    }
}
