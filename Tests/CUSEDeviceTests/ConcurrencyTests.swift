import Platform
import PortRuntime
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Many programs at once on one device, with a server that sends everything back.
@Suite struct ConcurrencyTests {
    /// Pairs of a writer and a reader; the sockets may take bytes in odd pieces.
    @Test(arguments: [false, true]) func aMegabyteThereAndBack(_ sendsShort: Bool) throws {
        try withFakeRemote(echoes: true, sendsShort: sendsShort) { rig, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 1)
            let bytes = random.bytes(1 << 20)
            let writer = try Thread("writer", stackSize: 1 << 20) {
                var offset = 0
                while offset < bytes.count {
                    let part = Array(bytes[offset..<min(offset + 70_001, bytes.count)])
                    guard let count = try? kernel.write(file, part), count > 0 else { break }
                    offset += count
                }
            }
            let back = try kernel.readAll(file, bytes.count)
            writer.join()
            #expect(back == bytes)
            kernel.close(file)
        }
    }

    /// Readers, writers, pollers, ioctls and signals from ten threads: all end, and the bytes add up.
    @Test(arguments: [false, true]) func allAtOnce(_ sendsShort: Bool) throws {
        try withFakeRemote(echoes: true, sendsShort: sendsShort) { rig, _ in
            let kernel = rig.kernel
            let files = try (0..<3).map { _ in try kernel.openRaw() }
            let total = 3 * 40 * 500
            let got = Monitor<[UInt8: Int]>([:])
            var threads: [Thread] = []
            for (number, file) in files.enumerated() {
                threads.append(
                    try Thread("writer", stackSize: 1 << 20) {
                        for _ in 0..<40 {
                            _ = try? kernel.write(file, [UInt8](repeating: UInt8(number + 1), count: 500))
                        }
                    })
                threads.append(
                    try Thread("reader", stackSize: 1 << 20) {
                        var random = SplitMix64(seed: UInt64(number))
                        while got.withLock({ $0.values.reduce(0, +) }) < total {
                            let read = kernel.startRead(file, 1 + random.below(2000))
                            if random.below(3) == 0 { kernel.interrupt(read) }
                            // Nothing may come any more: another has taken the last bytes.
                            _ = kernel.state.wait(until: .now + .milliseconds(20)) { !$0.pending.contains(read) }
                            if kernel.isPending(read) { kernel.interrupt(read) }
                            let bytes = (try? kernel.finishRead(read, 4096)) ?? []
                            got.withLock { counts in for byte in bytes { counts[byte, default: 0] += 1 } }
                        }
                    })
                threads.append(
                    try Thread("poller", stackSize: 1 << 20) {
                        for _ in 0..<100 {
                            _ = kernel.poll(file, 0x145, schedulesNotify: true)
                            _ = kernel.number(file, .TIOCMGET)
                            _ = kernel.number(file, .FIONREAD)
                            _ = kernel.number(file, .TIOCOUTQ)
                        }
                    })
            }
            for thread in threads { thread.join() }
            #expect(got.withLock { $0 } == [1: 20_000, 2: 20_000, 3: 20_000])
            for file in files { kernel.close(file) }
        }
    }

    /// F.8, 145: those who wait do not keep others from being served.
    @Test func fiftyReadersWait() throws {
        try withFakeRemote { rig, remote in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let reads = (0..<50).map { _ in kernel.startRead(file, 1) }
            #expect(kernel.number(file, .FIONREAD) == 0)
            remote.far { $0.send((0..<50).map { UInt8($0) }) }
            let bytes = try reads.map { try kernel.finishRead($0, 1) }
            #expect(bytes == (0..<50).map { [UInt8($0)] })
        }
    }

    @Test func opensAndClosesFromManyThreads() throws {
        try withFakeRemote({ $0.linger = .milliseconds(1) }) { rig, _ in
            let kernel = rig.kernel
            let threads = try (0..<6).map { _ in
                try Thread("opener", stackSize: 1 << 20) {
                    for _ in 0..<30 {
                        guard let file = try? kernel.open() else {
                            Issue.record("an open failed")
                            return
                        }
                        _ = try? kernel.write(file, [1])
                        kernel.close(file)
                    }
                }
            }
            for thread in threads { thread.join() }
        }
    }
}
