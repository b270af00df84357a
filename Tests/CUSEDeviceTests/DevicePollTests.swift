import Platform
import PortRuntime
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// FUSE_POLL and FUSE_NOTIFY_POLL (TTY-SPEC D.7).
@Suite struct DevicePollTests {
    @Test func withoutAWishNobodyIsTold() throws {
        try withFakeRemote { rig, remote in
            let file = try rig.kernel.openRaw()
            #expect(rig.kernel.poll(file, 0x41) == 0)
            remote.far { $0.send([1]) }
            #expect(eventually { rig.kernel.poll(file, 0x41) == 0x41 })
            #expect(rig.kernel.notifications(of: file) == 0)
        }
    }

    @Test func whoAsksIsToldOnceUnderItsHandle() throws {
        try withFakeRemote { rig, remote in
            let file = try rig.kernel.openRaw()
            let other = try rig.kernel.openRaw()
            #expect(rig.kernel.poll(file, 0x41, schedulesNotify: true) == 0)
            remote.far { $0.send([1]) }
            #expect(eventually { rig.kernel.notifications(of: file) == 1 })
            remote.far { $0.send([2]) }
            try #expect(rig.kernel.readAll(file, 2) == [1, 2])
            #expect(rig.kernel.notifications(of: file) == 1)
            #expect(rig.kernel.notifications(of: other) == 0)
        }
    }

    @Test func manyWaitersSleepUntilTheData() throws {
        try withFakeRemote { rig, remote in
            let files = try (0..<20).map { _ in try rig.kernel.openRaw() }
            let woken = Monitor(0)
            let threads = try files.map { file in
                try Thread("poller") {
                    if rig.kernel.pollWaiting(file, 0x41) == 0x41 { woken.withLock { $0 += 1 } }
                    woken.wakeAll()
                }
            }
            #expect(rig.kernel.state.wait(until: .now + .seconds(10)) { $0.requests > 60 })
            remote.far { $0.send([1]) }
            #expect(woken.wait(until: .now + .seconds(20)) { $0 == 20 })
            for thread in threads { thread.join() }
        }
    }

    @Test func aReleasedFileIsForgotten() throws {
        try withFakeRemote { rig, remote in
            let file = try rig.kernel.openRaw()
            let kept = try rig.kernel.openRaw()
            _ = rig.kernel.poll(file, 0x41, schedulesNotify: true)
            _ = rig.kernel.poll(kept, 0x41, schedulesNotify: true)
            rig.kernel.close(file)
            remote.far { $0.send([1]) }
            #expect(eventually { rig.kernel.notifications(of: kept) == 1 })
            #expect(rig.kernel.notifications(of: file) == 0)
        }
    }

    @Test func aHangUpWakesEveryWaiter() throws {
        try withFakeRemote { rig, _ in
            let file = try rig.kernel.openRaw()
            _ = rig.kernel.poll(file, 0, schedulesNotify: true)
            rig.port.withTTY { $0.shutDown() }
            #expect(eventually { rig.kernel.notifications(of: file) == 1 })
            #expect(rig.kernel.poll(file, 0xFFFF) == 0x15D)
        }
    }
}
