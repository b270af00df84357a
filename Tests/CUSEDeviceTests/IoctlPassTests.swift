import LineDiscipline
import PortRuntime
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Every ioctl of the table through all its passes, with a kernel that copies (TTY-SPEC D.5, F.1).
@Suite struct IoctlPassTests {
    /// Bytes behind what an ioctl may touch.
    private static let canary = [UInt8](repeating: 0xC5, count: 16)

    /// One would wait for a line, one is never allowed, one is the end, and one makes an echo, for which the drains
    /// would wait behind TCXONC's TCOOFF.
    private static let others: Set<Ioctl> = [.TIOCMIWAIT, .TIOCSCTTY, .TIOCVHANGUP, .TIOCSTI]

    @Test func everyIoctlTakesTwoPassesAtMost() throws {
        try withFakeRemote { rig, _ in
            let file = try rig.kernel.open()
            for ioctl in Ioctl.allCases where !Self.others.contains(ioctl) {
                let (copyIn, copyOut) = ioctl.copies
                let size = max(copyIn, copyOut)
                var memory = UserMemory(argument(of: ioctl, size) + Self.canary)
                let isValue = size == 0
                let (error, passes) = rig.kernel.ioctl(
                    file, ioctl.rawValue, isValue ? 0 : UserMemory.base, &memory)
                #expect(error == nil, "\(ioctl)")
                #expect(passes == (isValue ? 1 : 2), "\(ioctl)")
                #expect(Array(memory.bytes[size...]) == Self.canary, "\(ioctl) writes beyond its structure")
                if copyOut == 0 { #expect(memory.bytes == argument(of: ioctl, size) + Self.canary, "\(ioctl)") }
            }
            rig.kernel.close(file)
        }
    }

    /// An argument that makes sense where nonsense would change the port.
    private func argument(of ioctl: Ioctl, _ size: Int) -> [UInt8] {
        switch ioctl.copies.in {
        case Termios.size2: Termios().bytes2
        case Termios.size: Termios().bytes
        case Termios.termioSize: Termios().termioBytes
        default: [UInt8](repeating: 0, count: size)
        }
    }

    /// F.1, 13.
    @Test func badAddressesAreFaults() throws {
        try withFakeRemote { rig, _ in
            let file = try rig.kernel.open()
            for ioctl in Ioctl.allCases where ioctl.copies.in + ioctl.copies.out > 0 {
                // Eight bytes are there: a structure that begins in their middle does not fit.
                let late: UInt64 = max(ioctl.copies.in, ioctl.copies.out) > 3 ? 5 : 8
                for address in [0, 1, UserMemory.base - 1, UserMemory.base + late] as [UInt64] {
                    var memory = UserMemory([1, 2, 3, 4, 5, 6, 7, 8])
                    let (error, passes) = rig.kernel.ioctl(file, ioctl.rawValue, address, &memory)
                    #expect(error == .badAddress, "\(ioctl) at \(address)")
                    #expect(passes == (ioctl.copies.in > 0 ? 1 : 2))
                    #expect(memory.bytes == [1, 2, 3, 4, 5, 6, 7, 8])
                }
            }
        }
    }

    @Test(arguments: [0x1234, 0x54FF, 0x4B44, 0x8910, 0x5420, 0x8004_5430, 0x540F, 0, UInt32.max])
    func unknownOnesEndAtOnce(_ command: UInt32) throws {
        try withFakeRemote { rig, _ in
            let file = try rig.kernel.open()
            var memory = UserMemory(Self.canary)
            let (error, passes) = rig.kernel.ioctl(file, command, UserMemory.base, &memory)
            #expect(error == .inappropriateIOCTLForDevice)
            #expect(passes == 1)
            #expect(memory.bytes == Self.canary)
        }
    }

    /// FUSE_IOCTL_COMPAT: a 32-bit program's serial_struct is 60 bytes long; all else is as a 64-bit program has it.
    @Test func a32BitCaller() throws {
        try withFakeRemote { rig, _ in
            let file = try rig.kernel.open()
            for (ioctl, size) in [(Ioctl.TIOCGSERIAL, 60), (.TCGETS, 36), (.TIOCGICOUNT, 80)] {
                var memory = UserMemory([UInt8](repeating: 0, count: size) + Self.canary)
                let (error, passes) = rig.kernel.ioctl(
                    file, ioctl.rawValue, UserMemory.base, &memory, isCompat: true)
                #expect(error == nil && passes == 2, "\(ioctl)")
                #expect(Array(memory.bytes[size...]) == Self.canary, "\(ioctl)")
                // The last byte of the memory can be written: the ioctl asks for exactly `size` bytes.
                var exact = UserMemory([UInt8](repeating: 0, count: size))
                #expect(rig.kernel.ioctl(file, ioctl.rawValue, UserMemory.base, &exact, isCompat: true).error == nil)
            }
            var memory = UserMemory([UInt8](repeating: 0, count: 60))
            rig.kernel.ioctl(file, Ioctl.TIOCGSERIAL.rawValue, UserMemory.base, &memory, isCompat: true)
            var changed = memory.bytes
            #expect(changed[40] == 0xB8 && changed[41] == 0x0B)
            changed[40] = 7
            changed[41] = 0
            memory = UserMemory(changed)
            #expect(
                rig.kernel.ioctl(file, Ioctl.TIOCSSERIAL.rawValue, UserMemory.base, &memory, isCompat: true).error
                    == nil)
            var back = UserMemory([UInt8](repeating: 0, count: 72))
            rig.kernel.ioctl(file, Ioctl.TIOCGSERIAL.rawValue, UserMemory.base, &back)
            #expect(Array(back.bytes[..<44]) == Array(changed[..<44]))
        }
    }

    /// Numbers above 0x7FFFFFFF cross libfuse as negative ones.
    @Test func termios2RoundTrip() throws {
        try withFakeRemote { rig, remote in
            let file = try rig.kernel.open()
            var termios = Termios()
            termios.cflag = termios.cflag.subtracting(.CBAUD).union(.BOTHER)
            termios.ispeed = 250_000
            termios.ospeed = 250_000
            var memory = UserMemory(termios.bytes2)
            rig.kernel.ioctl(file, Ioctl.TCSETS2.rawValue, UserMemory.base, &memory)
            var back = UserMemory([UInt8](repeating: 0, count: 44))
            rig.kernel.ioctl(file, Ioctl.TCGETS2.rawValue, UserMemory.base, &back)
            #expect(back.bytes == termios.bytes2)
            #expect(remote.look { $0.port.settings.baud } == 250_000)
        }
    }

    @Test func onlyTheAdministratorIsOne() throws {
        for uid in [0, 1000] as [UInt32] {
            try withFakeRemote(uid: uid) { rig, _ in
                let file = try rig.kernel.open()
                var memory = UserMemory([UInt8](repeating: 0, count: 72))
                rig.kernel.ioctl(file, Ioctl.TIOCGSERIAL.rawValue, UserMemory.base, &memory)
                var changed = memory.bytes
                changed[40] = 1
                memory = UserMemory(changed)
                let (error, _) = rig.kernel.ioctl(file, Ioctl.TIOCSSERIAL.rawValue, UserMemory.base, &memory)
                #expect(error == (uid == 0 ? nil : .notPermitted))
                rig.kernel.ioctl(file, Ioctl.TIOCEXCL.rawValue, 0, &memory)
                if uid == 0 {
                    _ = try rig.kernel.open()
                } else {
                    #expect(throws: Errno.resourceBusy) { _ = try rig.kernel.open() }
                }
            }
        }
    }
}
