import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// The ioctls that are the tty's rather than the line's (TTY-SPEC A.2, A.3, A.6; F.1, F.2 29 to 34, F.8 132).
@Suite struct TTYIoctlTests {
    private static let notTTY = Outcome.error(.inappropriateIOCTLForDevice)
    private static let notPermitted = Outcome.error(.notPermitted)

    @Test(arguments: [(199, 7, 0xC707), (199, 300, 0x10_C72C), (136, 9, 0x8809)] as [(UInt32, UInt32, UInt32)])
    func item9TheDevicesNumber(_ major: UInt32, _ minor: UInt32, _ encoded: UInt32) throws {
        try withPort { port in
            port.tell { $0.made(DeviceNumber(major: major, minor: minor)) }
            let file = try port.openFile()
            try #expect(port.number(file, .TIOCGDEV) == encoded)
            try #expect(port.get(file, .TIOCGSERIAL).number(at: 4) == minor)
        }
    }

    @Test func item34SoftCarrierIsCLOCAL() throws {
        try withPort { port in
            let file = try port.openRaw()
            try #expect(port.number(file, .TIOCGSOFTCAR) == 1)
            for value in [0, 2, 0, 1] as [UInt32] {
                let set = port.ioctl(file, .TIOCSSOFTCAR, value.littleEndian)
                #expect(port.outcome(set) == .ioctl([]))
                try #expect(port.number(file, .TIOCGSOFTCAR) == (value == 0 ? 0 : 1))
                try #expect(port.termios(file).cflag.contains(.CLOCAL) == (value != 0))
            }
            #expect(port.server?.commands == [])
        }
    }

    // Locks.

    private func lock(_ port: PortBench, _ file: FileID, _ bytes: [UInt8]) {
        let set = port.ioctl(file, .TIOCSLCKTRMIOS, bytes, isAdministrator: true)
        #expect(port.outcome(set) == .ioctl([]))
    }

    @Test func item29LockedBitsStay() throws {
        try withPort { port in
            let file = try port.openRaw()
            try #expect(port.get(file, .TIOCGLCKTRMIOS) == [UInt8](repeating: 0, count: 36))
            var mask = [UInt8](repeating: 0, count: 36)
            mask.replaceSubrange(12..<16, with: LocalFlags.ECHO.rawValue.littleEndian)
            lock(port, file, mask)
            try #expect(port.get(file, .TIOCGLCKTRMIOS) == mask)
            for ioctl in [Ioctl.TCSETS, .TCSETS2, .TCSETSW, .TCSETA] {
                try port.change(file, ioctl) { $0.lflag = [.ECHO, .ICANON] }
                try #expect(port.termios(file).lflag == .ICANON, "\(ioctl)")
                try port.change(file, ioctl) { $0.lflag = [] }
                try #expect(port.termios(file).lflag == [], "\(ioctl)")
            }
            lock(port, file, [UInt8](repeating: 0, count: 36))
            try port.change(file) { $0.lflag = [.ECHO] }
            try #expect(port.termios(file).lflag == .ECHO)
        }
    }

    /// c_line and control characters are locked as a whole if the mask is not 0; a locked rate remains.
    @Test func lockedBytesAndRate() throws {
        try withPort { port in
            let file = try port.openRaw()
            var mask = [UInt8](repeating: 0, count: 36)
            mask.replaceSubrange(8..<12, with: ControlFlags.CBAUD.rawValue.littleEndian)
            mask[16] = 1
            mask[17 + ControlCharacter.VMIN.rawValue] = 4
            lock(port, file, mask)
            try port.change(file) {
                $0.setBaud(19200)
                $0.line = 6
                $0[.VMIN] = 3
                $0[.VTIME] = 2
                $0.cflag.insert(.PARENB)
            }
            let termios = try port.termios(file)
            #expect(termios.ospeed == 9600 && termios.ispeed == 9600 && termios.line == 0)
            #expect(termios[.VMIN] == 1 && termios[.VTIME] == 2)
            #expect(port.server?.port.settings.baud == 9600)
            #expect(port.server?.port.settings.parity == .even)
        }
    }

    @Test func item30LocksAreTheAdministrators() throws {
        try withPort { port in
            let file = try port.openFile()
            let call = IoctlCall(command: Ioctl.TIOCSLCKTRMIOS.rawValue, argument: 0x1000, outSize: 0)
            let mask = [UInt8](repeating: 0xFF, count: 36)
            // On the first pass, without a look at the caller's memory.
            #expect(port.outcome(port.call(file, call, [], holding: [])) == Self.notPermitted)
            #expect(port.outcome(port.call(file, call, mask, holding: [])) == Self.notPermitted)
            try #expect(port.get(file, .TIOCGLCKTRMIOS) == [UInt8](repeating: 0, count: 36))
            #expect(port.outcome(port.call(file, call, mask, holding: [.checkpointRestore])) == .ioctl([]))
            try #expect(port.get(file, .TIOCGLCKTRMIOS) == mask)
        }
    }

    // Hang-up, and the state after it.

    @Test func item132TIOCVHANGUP() throws {
        try withPort { port in
            let file = try port.openRaw()
            let other = try port.openFile()
            let read = port.read(other)
            #expect(port.outcome(port.call(file, Ioctl.TIOCVHANGUP.rawValue)) == Self.notPermitted)
            #expect(port.outcome(read) == nil)
            let call = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            #expect(port.outcome(call) == .ioctl([]))
            #expect(port.outcome(read) == .data([]))
            for file in [file, other] { #expect(port.readiness(file) == 0x15D) }
            #expect(port.tty.link == .down)
            let fresh = try port.openFile()
            port.far { $0.send(Array("x")) }
            #expect(port.outcome(port.read(fresh)) == .data(Array("x")))
        }
    }

    /// hung_up_tty_ioctl.
    @Test func ioctlsOfAHungUpFile() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            for command in Ioctl.allCases.map(\.rawValue) + [0x1234, 0x540F, 0x5422, 0x5429] {
                #expect(port.outcome(port.call(file, command, isAdministrator: true)) == .error(.ioError))
            }
            #expect(port.outcome(port.call(file, 0x5410)) == Self.notTTY)
        }
    }

    /// TIOCEXCL lasts until the last close: of the files that are hung up, too.
    @Test func exclusiveUseOutlivesAHangUp() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCEXCL)
            _ = port.call(file, Ioctl.TIOCVHANGUP.rawValue, isAdministrator: true)
            #expect(port.outcome(port.open()) == .error(.resourceBusy))
            _ = port.release(file)
            _ = try port.openFile()
        }
    }

    // Controlling terminals.

    @Test func thereIsNoControllingTerminal() throws {
        try withPort { port in
            let file = try port.openFile()
            #expect(port.outcome(port.call(file, Ioctl.TIOCSCTTY.rawValue)) == Self.notPermitted)
            // TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCNOTTY, TIOCCONS
            for command in [0x540F, 0x5410, 0x5429, 0x5422, 0x541D] as [UInt32] {
                #expect(port.outcome(port.call(file, command, isAdministrator: true)) == Self.notTTY)
            }
        }
    }

    // TIOCSTI.

    @Test func aByteAsIfReceived() throws {
        try withPort { port in
            let file = try port.openRaw()
            let call = IoctlCall(command: Ioctl.TIOCSTI.rawValue, argument: 0x1000, outSize: 0)
            #expect(port.outcome(port.call(file, call, [], holding: [])) == Self.notPermitted)
            #expect(port.outcome(port.call(file, call, [0x61], holding: [])) == Self.notPermitted)
            try #expect(port.number(file, .FIONREAD) == 0)
            let read = port.read(file)
            #expect(port.outcome(port.call(file, call, [0x61], holding: [.sysAdmin])) == .ioctl([]))
            #expect(port.outcome(read) == .data([0x61]))
            _ = port.poll(file, 0x41, notifies: true)
            _ = port.call(file, call, [0x62], holding: [.sysAdmin])
            #expect(port.notified == [file])
            try #expect(port.number(file, .FIONREAD) == 1)
            // Nothing of it went over the line.
            try #expect(port.get(file, .TIOCGICOUNT).number(at: 16) == 0)
        }
    }

    // Bytes still on the way.

    @Test func theTransmitterIsEmptyOrNot() throws {
        try withPort { port in
            let file = try port.openRaw()
            try #expect(port.number(file, .TIOCSERGETLSR) == 1)
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            try #expect(port.number(file, .TIOCSERGETLSR) == 0)
            try #expect(port.number(file, .TIOCOUTQ) == 96)
            port.advance(.milliseconds(101))
            try #expect(port.number(file, .TIOCSERGETLSR) == 1)
            try #expect(port.number(file, .TIOCOUTQ) == 0)
        }
    }

    /// Bytes the peer has not acknowledged are not on the line, however long ago they were sent. What holds is asked
    /// for when it is wanted.
    @Test func unacknowledgedBytesCount() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 1, count: 96))
            port.advance(.seconds(1))
            #expect(port.socket.questions == 0)
            // Commands are among them.
            port.socket.unacknowledged = 40
            try #expect(port.number(file, .TIOCOUTQ) == 40)
            port.socket.unacknowledged = 400
            try #expect(port.number(file, .TIOCOUTQ) == 96)
            try #expect(port.number(file, .TIOCSERGETLSR) == 0)
            port.socket.unacknowledged = 0
            try #expect(port.number(file, .TIOCOUTQ) == 0)
            // Once all output is known to be sent, the socket's own bytes do not count.
            let drain = port.ioctl(file, .TCSBRK, value: 1)
            #expect(port.outcome(drain) == .ioctl([]))
            port.socket.unacknowledged = 7
            try #expect(port.number(file, .TIOCOUTQ) == 0)
        }
    }

    /// What the socket has still to be acknowledged of may be commands: not more than the data that it has got.
    @Test func unacknowledgedCommandsDoNotCount() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, [UInt8](repeating: 1, count: 300))
            port.socket.unacknowledged = 3
            try #expect(port.number(file, .TIOCOUTQ) == 300)
        }
    }

    // 32-bit callers.

    @Test func serialStructOfA32BitCaller() throws {
        try withPort { port in
            let file = try port.openFile()
            let full = try port.get(file, .TIOCGSERIAL)
            func call(_ ioctl: Ioctl, _ argument: [UInt8] = [], outSize: Int = 0) -> Outcome? {
                port.outcome(
                    port.call(
                        file, ioctl.rawValue, value: 0x1000, argument, outSize: outSize, isCompat: true,
                        isAdministrator: true))
            }
            #expect(call(.TIOCGSERIAL) == .retry(copyIn: 0, copyOut: 60))
            #expect(call(.TIOCGSERIAL, outSize: 60) == .ioctl(Array(full[..<60])))
            #expect(call(.TIOCSSERIAL) == .retry(copyIn: 60, copyOut: 0))
            var changed = Array(full[..<60])
            changed[40] = 0xFF
            changed[41] = 0xFF
            #expect(call(.TIOCSSERIAL, changed) == .ioctl([]))
            try #expect(port.get(file, .TIOCGSERIAL).number(at: 40) == 65535)
            // All else has the size it has for everybody.
            for ioctl in Ioctl.allCases where ioctl != .TIOCGSERIAL && ioctl != .TIOCSSERIAL {
                #expect(ioctl.compatCopies == ioctl.copies)
            }
        }
    }
}
