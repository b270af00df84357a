import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// FUSE_INTERRUPT (TTY-SPEC D.6): the request is answered, once, whenever the interrupt comes.
@Suite struct DeviceInterruptTests {
    @Test func aParkedReadEnds() throws {
        try withFakeRemote { rig, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let read = kernel.startRead(file, 10)
            kernel.interrupt(read)
            #expect(throws: Errno.interrupted) { _ = try kernel.finishRead(read, 10) }
        }
    }

    @Test func everyKindOfParkedRequestEnds() throws {
        try withFakeRemote { rig, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let requests = [
                kernel.startRead(file, 10),
                kernel.startRead(file, 10),
                kernel.startIoctl(file, Ioctl.TIOCMIWAIT.rawValue, 0x20),
                kernel.startIoctl(file, Ioctl.TCSBRKP.rawValue, 1000),
                kernel.startIoctl(file, Ioctl.TCSBRK.rawValue, 1),
            ]
            for request in requests.shuffled() { kernel.interrupt(request) }
            for request in requests[..<4] { #expect(kernel.wait(request).error == -EINTR) }
            // A drain with nothing to drain may have been done already, or waits for the break.
            let drain = kernel.wait(requests[4]).error
            #expect(drain == 0 || drain == -EINTR)
        }
    }

    /// Interrupts overtake: libfuse keeps one whose request it has not seen.
    @Test func anInterruptBeforeItsRequest() throws {
        try withFakeRemote { rig, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            for _ in 0..<50 {
                let read = kernel.newRequest()
                kernel.interrupt(read)
                kernel.send(.read, read, FusePayload.read(file.fh, size: 10, flags: 2))
                #expect(throws: Errno.interrupted) { _ = try kernel.finishRead(read, 10) }
            }
        }
    }

    @Test func anInterruptAfterTheAnswer() throws {
        try withFakeRemote { rig, remote in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            remote.far { $0.send([1, 2, 3]) }
            let read = kernel.startRead(file, 3)
            try #expect(kernel.finishRead(read, 3) == [1, 2, 3])
            kernel.interrupt(read)
            // The next request is not taken for it.
            let next = kernel.startRead(file, 3)
            remote.far { $0.send([4]) }
            try #expect(kernel.finishRead(next, 3) == [4])
        }
    }

    /// Signals and data race: every byte is read exactly once, whoever wins. On a busy machine data may win each race:
    /// reads that no data can end are among them, and an interrupt ends each of those.
    @Test func aStormLosesNothing() throws {
        try withFakeRemote { rig, remote in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 139)
            let sent = random.bytes(4000)
            var offset = 0
            var got: [UInt8] = []
            var interrupted = 0
            var withoutData = 0
            while got.count < sent.count {
                let isWithoutData = got.count == offset && random.below(4) == 0
                let read = kernel.startRead(file, 64)
                if isWithoutData || random.below(2) == 0 { kernel.interrupt(read) }
                if !isWithoutData && offset < sent.count {
                    let part = Array(sent[offset..<min(offset + 1 + random.below(40), sent.count)])
                    offset += part.count
                    remote.far { $0.send(part) }
                }
                if random.below(2) == 0 { kernel.interrupt(read) }
                do throws(Errno) {
                    got += try kernel.finishRead(read, 64)
                } catch {
                    guard error == .interrupted else { throw error }
                    interrupted += 1
                }
                if isWithoutData { withoutData += 1 }
            }
            #expect(got == sent)
            #expect(withoutData > 0)
            #expect(interrupted >= withoutData)
        }
    }

    @Test func anOpenThatWaits() throws {
        try withFakeRemote { rig, _ in
            // Held up by nothing, opens race with their interrupts.
            for _ in 0..<30 {
                let open = rig.kernel.startOpen()
                rig.kernel.interrupt(open)
                do throws(Errno) {
                    rig.kernel.close(try rig.kernel.finishOpen(open))
                } catch {
                    #expect(error == .interrupted)
                }
            }
        }
    }
}
