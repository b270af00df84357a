import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// TCFLSH (TTY-SPEC F.6, 105; DESIGN 4).
@Suite struct PurgeTests {
    /// Bytes on the way at the time of a flush are dropped; bytes sent after the purge arrive.
    @Test func item105APurgeIsABarrier() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.far { $0.send(Array("unread")) }
            port.delay = .milliseconds(50)
            port.far { $0.send(Array("old")) }
            let flush = port.ioctl(file, .TCFLSH, value: 0)
            #expect(port.outcome(flush) == .ioctl([]))
            #expect(port.server?.commands == [.purgeData(1)])
            try #expect(port.number(file, .FIONREAD) == 0)
            port.far { $0.send(Array("new")) }
            port.advance(.milliseconds(60))
            let read = port.read(file)
            #expect(port.outcome(read) == .data(Array("new")))
        }
    }

    @Test func theLastOfTwoPurgesCounts() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.delay = .milliseconds(50)
            _ = port.ioctl(file, .TCFLSH, value: 0)
            port.far { $0.send(Array("between")) }
            _ = port.ioctl(file, .TCFLSH, value: 0)
            port.far { $0.send(Array("new")) }
            port.advance(.milliseconds(60))
            let read = port.read(file)
            #expect(port.outcome(read) == .data(Array("new")))
        }
    }

    /// A server that does not answer it is not waited for.
    @Test func withoutAnAnswerOnlyWhatIsHereGoes() throws {
        try withPort { port in
            port.profile.unanswered = [12]
            let file = try port.openRaw()
            port.advance(.seconds(2))
            port.far { $0.send(Array("unread")) }
            _ = port.ioctl(file, .TCFLSH, value: 0)
            port.far { $0.send(Array("next")) }
            let read = port.read(file)
            #expect(port.outcome(read) == .data(Array("next")))
        }
    }

    /// Nor for ever, one that used to.
    @Test func aMissingAnswerHoldsASecondAtMost() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            _ = port.ioctl(file, .TCFLSH, value: 0)
            port.isMute = false
            port.far { $0.send(Array("lost")) }
            port.advance(.seconds(1))
            port.far { $0.send(Array("kept")) }
            let read = port.read(file)
            #expect(port.outcome(read) == .data(Array("kept")))
        }
    }

    @Test func outputIsDropped() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, Array("dropped"))
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.outcome(drain) == nil)
            _ = port.ioctl(file, .TCFLSH, value: 1)
            #expect(port.outcome(drain) == .ioctl([]))
            try #expect(port.number(file, .TIOCOUTQ) == 0)
            _ = port.ioctl(file, .TCXONC, value: 1)
            _ = port.write(file, Array("kept"))
            #expect(port.server?.data == Array("kept"))
            #expect(port.server?.commands.contains(.purgeData(2)) == true)
        }
    }

    @Test func outputOnlyLeavesTheInput() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.far { $0.send(Array("kept")) }
            _ = port.ioctl(file, .TCFLSH, value: 1)
            try #expect(port.number(file, .FIONREAD) == 4)
            _ = port.ioctl(file, .TCFLSH, value: 2)
            try #expect(port.number(file, .FIONREAD) == 0)
        }
    }

    /// A half-sent escape is completed: the second half of a doubled 0xFF would otherwise begin a command.
    @Test(arguments: [0, 1, 2, 3, 4, 5, 8]) func aFlushKeepsEscapesWhole(_ sent: Int) throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = sent
            _ = port.write(file, [0xFF, 0xFF, 0xFF, 0xFF])
            _ = port.ioctl(file, .TCFLSH, value: 1)
            _ = port.write(file, Array("AB"))
            port.makeRoom(.max)
            let whole = [UInt8](repeating: 0xFF, count: (sent + 1) / 2)
            #expect(port.server?.data == whole + Array("AB"))
            #expect(port.server?.commands == [.purgeData(2)])
        }
    }

    @Test func roomForAParkedWrite() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TCXONC, value: 0)
            let write = port.write(file, [UInt8](repeating: 1, count: 6000))
            #expect(port.outcome(write) == nil)
            _ = port.ioctl(file, .TCFLSH, value: 1)
            #expect(port.outcome(write) == .written(6000))
        }
    }

    /// An error that is reported during a purge is that of a byte which the purge drops.
    @Test(arguments: [false, true]) func aFlagDoesNotOutliveItsByte(_ isBreak: Bool) throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.iflag.insert([.INPCK, .PARMRK]) }
            port.delay = .milliseconds(50)
            port.far {
                $0.send(.notifyLineState([isBreak ? .breakDetected : .parity, .dataReady]))
                $0.send(Array("x"))
            }
            _ = port.ioctl(file, .TCFLSH, value: 0)
            port.advance(.milliseconds(60))
            port.far { $0.send(Array("good")) }
            port.advance(.milliseconds(60))
            #expect(port.outcome(port.read(file)) == .data(Array("good")))
        }
    }
}
