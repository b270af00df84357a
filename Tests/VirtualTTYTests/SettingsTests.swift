import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// tcsetattr(3) and the wire (TTY-SPEC F.2; DESIGN 2).
@Suite struct SettingsTests {
    private func setting(
        _ prepare: (PortBench) -> Void = { _ in }, _ body: (PortBench, FileID) throws -> Void
    ) throws {
        try withPort { port in
            prepare(port)
            try body(port, try port.openRaw())
        }
    }

    @Test func item36EverySettingByItsCommand() throws {
        try setting { port, file in
            try port.change(file) { termios in
                termios.setBaud(115_200)
                termios.cflag.subtract(.CSIZE)
                termios.cflag.formUnion([ControlFlags(rawValue: 0x20), .PARENB, .CSTOPB])
            }
            #expect(port.server?.commands == [.setDataSize(7), .setParity(3), .setStopSize(2), .setBaudRate(115_200)])
            // One segment: nothing of it waits for an answer.
            #expect(port.segments.count == 1)
            port.server?.forget()
            try port.change(file) { $0.cflag.formUnion([.CMSPAR, .PARODD]) }
            try port.change(file) { $0.cflag.remove(.PARODD) }
            try port.change(file) { $0.cflag.subtract([.PARENB, .CMSPAR]) }
            #expect(port.server?.commands == [.setParity(4), .setParity(5), .setParity(1)])
        }
    }

    @Test func flowControl() throws {
        try setting { port, file in
            try port.change(file) { $0.cflag.insert(.CRTSCTS) }
            #expect(port.server?.commands == [.setControl(.flow(.hardware))])
            port.server?.forget()
            try port.change(file) { $0.cflag.remove(.CRTSCTS) }
            #expect(port.server?.commands == [.setControl(.flow(.none))])
            port.server?.forget()
            try port.change(file) { $0.iflag = [.IXON] }
            #expect(port.server?.port.settings.flow == .xonXoff)
            #expect(port.server?.port.settings.inboundFlow == FlowControl.none)
            try port.change(file) { $0.iflag = [.IXOFF] }
            #expect(port.server?.port.settings.flow == FlowControl.none)
            #expect(port.server?.port.settings.inboundFlow == .xonXoff)
        }
    }

    @Test func item37OnlyChangesAreSent() throws {
        try setting { port, file in
            try port.change(file) { _ in }
            try port.change(file, .TCSETS) { _ in }
            try port.change(file, .TCSETA) { _ in }
            try port.change(file) { $0.lflag.insert(.ECHO) }
            try port.change(file) { $0.cflag.subtract([.HUPCL, .CREAD]) }
            #expect(port.segments == [])
        }
    }

    @Test func tcsetattrWaitsForTheAnswer() throws {
        try setting { port, file in
            port.delay = .milliseconds(30)
            let start = port.clock.now
            let set = try port.set(file) { $0.setBaud(19200) }
            #expect(port.outcome(set) == nil)
            port.advance(.milliseconds(100))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.milliseconds(set, since: start) == 30)
        }
    }

    @Test func asyncSettingsWaitForNothing() throws {
        try withPort({ $0.awaitsSettings = false }) { port in
            let file = try port.openRaw()
            port.delay = .seconds(5)
            let set = try port.set(file) { $0.setBaud(19200) }
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.server?.commands == [.setBaudRate(19200)])
        }
    }

    @Test func item35TheServersRateIsShown() throws {
        try setting({ $0.profile.baudRates = [9600, 57600, 115_200] }) { port, file in
            try port.change(file) { $0.setBaud(250_000) }
            let termios = try port.termios(file)
            #expect(termios.ospeed == 115_200 && termios.ispeed == 115_200)
            #expect(termios.cflag.intersection(.CBAUD).rawValue == 0x1002)
            // Set again as it reads back, it says nothing.
            port.server?.forget()
            try port.change(file) { _ in }
            #expect(port.server?.commands == [])
        }
    }

    /// A Bxxx constant remains if the server's rate is close to it, and is not sent repeatedly.
    @Test func aCloseRateIsToldOnce() throws {
        try setting({ $0.profile.baudRates = [9600, 115_942] }) { port, file in
            try port.change(file) { $0.setBaud(115_200) }
            try #expect(port.termios(file).ospeed == 115_200)
            port.server?.forget()
            try port.change(file) { _ in }
            #expect(port.server?.commands == [])
        }
    }

    @Test func theServersFrameIsShown() throws {
        try setting({ $0.profile.hasPlainFramesOnly = true }) { port, file in
            try port.change(file) { $0.cflag.formUnion([.PARENB, .CMSPAR]) }
            try #expect(port.termios(file).cflag.intersection([.PARENB, .CMSPAR]) == [])
            try port.change(file) {
                $0.cflag.subtract(.CSIZE)
                $0.cflag.insert(.CSTOPB)
            }
            let cflag = try port.termios(file).cflag
            #expect(!cflag.contains(.CSTOPB) && cflag.intersection(.CSIZE).rawValue == 0)
        }
    }

    /// The oldest of two answers is not the last word.
    @Test func aLateAnswerDoesNotUndoWhatCameAfter() throws {
        try setting { port, file in
            port.delay = .milliseconds(50)
            let one = try port.set(file) { $0.setBaud(19200) }
            port.advance(.milliseconds(20))
            let other = try port.set(file) { $0.setBaud(57600) }
            port.advance(.milliseconds(35))
            #expect(port.outcome(one) == .ioctl([]))
            try #expect(port.termios(file).ospeed == 57600)
            port.advance(.milliseconds(50))
            #expect(port.outcome(other) == .ioctl([]))
            try #expect(port.termios(file).ospeed == 57600)
        }
    }

    /// Not even where what came after still waits behind data.
    @Test func norWhatIsStillQueued() throws {
        try setting { port, file in
            port.delay = .milliseconds(50)
            let one = try port.set(file) { $0.setBaud(19200) }
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 1, count: 5000), nonBlocking: true)
            let other = try port.set(file) { $0.setBaud(57600) }
            port.advance(.milliseconds(60))
            #expect(port.outcome(one) == .ioctl([]))
            try #expect(port.termios(file).ospeed == 57600)
            port.makeRoom(.max)
            port.advance(.seconds(5))
            #expect(port.outcome(other) == .ioctl([]))
            try #expect(port.termios(file).ospeed == 57600)
            #expect(port.server?.port.settings.baud == 57600)
        }
    }

    @Test func aLostSettingIsSentAgain() throws {
        try setting { port, file in
            port.isMute = true
            let start = port.clock.now
            let set = try port.set(file) { $0.setBaud(19200) }
            port.advance(.milliseconds(300))
            port.isMute = false
            port.advance(.milliseconds(200))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.milliseconds(set, since: start) == 400)
            #expect(port.server?.commands == [.setBaudRate(19200), .setBaudRate(19200)])
        }
    }

    /// A setting that this server never answers is waited for once.
    @Test func anUnansweredSettingIsGivenUp() throws {
        let mute: (inout ServerPlayer) -> Void = {
            $0.leavesUnanswered = { if case .setParity = $0 { true } else { false } }
        }
        try setting({ $0.prepare = mute }) { port, file in
            let start = port.clock.now
            try port.change(file) { $0.cflag.insert(.PARENB) }
            let again = try port.set(file) { $0.cflag.insert(.PARODD) }
            #expect(port.outcome(again) == .ioctl([]))
            #expect(port.clock.now.since(start) <= .seconds(2))
            #expect(port.server?.port.settings.parity == .odd)
        }
    }

    @Test func aServerThatFallsSilentHoldsASecondAtMost() throws {
        try setting { port, file in
            port.isMute = true
            let start = port.clock.now
            let set = try port.set(file) { $0.setBaud(19200) }
            port.advance(.seconds(5))
            #expect(port.outcome(set) == .ioctl([]))
            #expect(port.milliseconds(set, since: start) == 1000)
            try #expect(port.termios(file).ospeed == 19200)
        }
    }

    /// Errors are asked for only where termios does something with them.
    @Test func theLineStateMask() throws {
        try setting { port, file in
            try port.change(file) { $0.iflag = [.INPCK] }
            #expect(port.server?.lineStateMask == [.parity, .framing, .overrun])
            try port.change(file) { $0.iflag = [.INPCK, .BRKINT] }
            #expect(port.server?.lineStateMask == .errors)
            try port.change(file) { $0.iflag = [.IGNPAR] }
            #expect(port.server?.lineStateMask == [])
            // A server may drop the bad bytes that it reports: without INPCK they are wanted as they come.
            for flag: InputFlags in [.BRKINT, .PARMRK, .IGNBRK, [.IGNBRK, .PARMRK]] {
                try port.change(file) { $0.iflag = flag }
                #expect(port.server?.lineStateMask == .breakDetected)
            }
        }
    }

    @Test func items26And27B0DropsTheLines() throws {
        try setting { port, file in
            try port.change(file) { $0.setBaud(0) }
            #expect(port.server?.commands == [.setControl(.dtrOff), .setControl(.rtsOff)])
            try #expect(port.lines(file).intersection([.dtr, .rts]) == [])
            let termios = try port.termios(file)
            #expect(termios.ospeed == 0 && termios.ispeed == 0)
            let read = port.read(file, nonBlocking: true)
            #expect(port.outcome(read) == .error(.resourceTemporarilyUnavailable))
            port.server?.forget()
            try port.change(file) { $0.setBaud(9600) }
            #expect(port.server?.commands == [.setControl(.dtrOn), .setControl(.rtsOn)])
        }
    }

    @Test func item20LineDisciplineNumberIsOnlyKept() throws {
        try setting { port, file in
            try port.change(file) { $0.line = 7 }
            try #expect(port.termios(file).line == 7)
            try #expect(port.number(file, .TIOCGETD) == 0)
        }
    }
}
