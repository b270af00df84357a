import LineDiscipline
import Platform
import PortRuntime
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// O_NONBLOCK comes with FUSE_OPEN, and says whether an open waits for carrier.
@Suite struct OpenFlagsTests {
    /// A port whose saved settings have CLOCAL clear.
    private func clearCLOCAL(_ kernel: KernelStub) throws {
        let file = try kernel.open()
        var termios = Termios()
        termios.cflag.remove(.CLOCAL)
        var memory = UserMemory(termios.bytes)
        #expect(kernel.ioctl(file, Ioctl.TCSETS.rawValue, UserMemory.base, &memory).error == nil)
        kernel.close(file)
    }

    @Test func onlyABlockingOpenWaits() throws {
        try withFakeRemote { rig, remote in
            try clearCLOCAL(rig.kernel)
            let open = rig.kernel.startOpen()
            let other = try rig.kernel.open(nonBlocking: true)
            #expect(rig.kernel.isPending(open))
            remote.far { $0.setLines([.dcd], now: .now) }
            let file = try rig.kernel.finishOpen(open)
            rig.kernel.close(file)
            rig.kernel.close(other)
        }
    }

    @Test func aSignalEndsTheWait() throws {
        try withFakeRemote { rig, remote in
            try clearCLOCAL(rig.kernel)
            let open = rig.kernel.startOpen()
            #expect(eventually { remote.look { $0.port.outputs } == [.dtr, .rts] })
            rig.kernel.interrupt(open)
            #expect(throws: Errno.interrupted) { _ = try rig.kernel.finishOpen(open) }
        }
    }
}
