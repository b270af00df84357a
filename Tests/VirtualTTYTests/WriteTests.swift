import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// write(2), the queue, and what stops it (TTY-SPEC B.7, F.6 by its numbers).
@Suite struct WriteTests {
    private static let again = Outcome.error(.resourceTemporarilyUnavailable)
    /// Bytes that a stuck port takes, on the wire and in the queue: with a window, and without one.
    private static let capacity = firstOffer + 4096
    /// Bytes that the window lets go to an unknown server: a second of the line at 9600 baud.
    private static let firstOffer = 960
    private static let unlimitedCapacity = 16384 + 4096

    private func writing(
        _ ahead: PortConfiguration.Ahead = .bytes(4096), _ body: (PortBench, FileID) throws -> Void
    ) throws {
        try withPort({ $0.ahead = ahead }) { port in try body(port, try port.openRaw()) }
    }

    @Test func bytesGoOutAsTheyAre() throws {
        try writing { port, file in
            let all = (0...255).map { UInt8($0) }
            let write = port.write(file, all)
            #expect(port.outcome(write) == .written(256))
            #expect(port.server?.data == all)
            // One write, one segment; 0xFF is doubled, and a question of 8 bytes follows.
            #expect(port.segments.map(\.count) == [257 + 8])
            #expect(port.tty.counters.transmitted == 256)
        }
    }

    @Test func item94Nothing() throws {
        try writing { port, file in
            let write = port.write(file, [])
            #expect(port.outcome(write) == .written(0))
            #expect(port.segments == [])
        }
    }

    @Test func item95AFullQueue() throws {
        try writing { port, file in
            port.room = 0
            let first = port.write(file, [UInt8](repeating: 1, count: 30_000), nonBlocking: true)
            #expect(port.outcome(first) == .written(Self.capacity))
            let second = port.write(file, [1], nonBlocking: true)
            #expect(port.outcome(second) == Self.again)
            #expect(port.readiness(file) & 0x104 == 0)
            port.room = .max
            port.settle()
            #expect(port.readiness(file) & 0x104 == 0x104)
            #expect(port.server?.data.count == Self.capacity)
        }
    }

    /// A queue of the size that was asked for.
    @Test(arguments: [256, 100_000]) func aheadIsTheQueue(_ ahead: Int) throws {
        try writing(.bytes(ahead)) { port, file in
            port.room = 0
            let write = port.write(file, [UInt8](repeating: 1, count: 200_000), nonBlocking: true)
            #expect(port.outcome(write) == .written(Self.firstOffer + ahead))
        }
    }

    @Test func item96PollOut() throws {
        try writing { port, file in
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, [UInt8](repeating: 1, count: 255))
            #expect(port.readiness(file) & 4 == 4)
            let poll = port.poll(file, 4, notifies: true)
            #expect(port.outcome(poll) == .poll(0x104))
            _ = port.write(file, [1])
            #expect(port.readiness(file) & 4 == 0)
            port.notified = []
            _ = port.poll(file, 4, notifies: true)
            #expect(port.notified == [])
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(port.notified == [file])
        }
    }

    @Test func item97AnInterruptAfterProgress() throws {
        try writing(.unlimited) { port, file in
            port.room = 0
            let write = port.write(file, [UInt8](repeating: 1, count: 30_000))
            #expect(port.outcome(write) == nil)
            port.makeRoom(1000)
            #expect(port.outcome(write) == nil)
            port.interrupt(write)
            // The thousand that went to the socket made room for as many.
            #expect(port.outcome(write) == .written(Self.unlimitedCapacity + 1000))
            port.room = .max
            port.settle()
            #expect(port.server?.data.count == Self.unlimitedCapacity + 1000)
        }
    }

    @Test func anInterruptWithoutProgress() throws {
        try writing { port, file in
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 1, count: 30_000), nonBlocking: true)
            let write = port.write(file, [2])
            #expect(port.outcome(write) == nil)
            port.interrupt(write)
            #expect(port.outcome(write) == .error(.interrupted))
            port.room = .max
            port.settle()
            #expect(port.server?.data.last == 1)
        }
    }

    /// tty_write_lock: one write at a time, whole.
    @Test func writersDoNotMix() throws {
        try writing(.unlimited) { port, file in
            let second = try port.openFile()
            port.room = 0
            let one = port.write(file, [UInt8](repeating: 1, count: 50_000))
            let hasty = port.write(second, [9], nonBlocking: true)
            #expect(port.outcome(hasty) == Self.again)
            let other = port.write(second, [UInt8](repeating: 2, count: 50_000))
            #expect(port.readiness(second) & 4 == 0)
            for _ in 0..<101 { port.makeRoom(1000) }
            #expect(port.outcome(one) == .written(50_000))
            #expect(port.outcome(other) == .written(50_000))
            let whole = [UInt8](repeating: 1, count: 50_000) + [UInt8](repeating: 2, count: 50_000)
            #expect(port.server?.data == whole)
        }
    }

    @Test func orderSurvivesShortSends() throws {
        var random = SplitMix64(seed: 95)
        try writing { port, file in
            var sent: [UInt8] = []
            port.room = 0
            for _ in 0..<300 {
                let bytes = random.bytes(random.below(600))
                if case .written(let count) = port.outcome(port.write(file, bytes, nonBlocking: true)) {
                    sent += bytes[..<count]
                }
                // Some of these end between the two bytes of an escape.
                port.makeRoom(random.below(700))
            }
            port.room = .max
            port.settle()
            #expect(sent.count > 50_000)
            #expect(port.server?.data == sent)
        }
    }

    @Test func item98TCOOFF() throws {
        try writing { port, file in
            _ = port.ioctl(file, .TCXONC, value: 0)
            let write = port.write(file, Array("abc"))
            #expect(port.outcome(write) == .written(3))
            #expect(port.server?.data == [])
            try #expect(port.number(file, .TIOCOUTQ) == 3)
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(port.server?.data == Array("abc"))
        }
    }

    @Test func stoppedOutputTakesOneQueue() throws {
        try writing { port, file in
            _ = port.ioctl(file, .TCXONC, value: 0)
            let write = port.write(file, [UInt8](repeating: 1, count: 5000), nonBlocking: true)
            #expect(port.outcome(write) == .written(4096))
            let blocked = port.write(file, [UInt8](repeating: 2, count: 5000))
            #expect(port.outcome(blocked) == nil)
            _ = port.ioctl(file, .TCXONC, value: 1)
            #expect(port.outcome(blocked) == .written(5000))
        }
    }

    /// Processed output (OPOST) has the room that raw output has: the queue's, and the wire's if nothing is stopped.
    @Test(arguments: [true, false]) func processedOutputHasAsMuchRoomAsRaw(_ isStopped: Bool) throws {
        try writing { port, file in
            try port.change(file) { $0.oflag = [.OPOST] }
            port.server?.forget()
            var random = SplitMix64(seed: 3)
            let bytes = (0..<30_000).map { _ in UInt8(0x61 + random.below(26)) }
            port.room = 0
            if isStopped { _ = port.ioctl(file, .TCXONC, value: 0) }
            let room = isStopped ? 4096 : Self.capacity
            #expect(port.outcome(port.write(file, bytes, nonBlocking: true)) == .written(room))
            try #expect(port.number(file, .TIOCOUTQ) == UInt32(room))
            _ = port.ioctl(file, .TCXONC, value: 1)
            port.makeRoom(.max)
            #expect(port.server?.data == Array(bytes[..<room]))
        }
    }

    @Test func theServerMayAskForSilence() throws {
        try writing { port, file in
            port.far { $0.send(.flowControlSuspend) }
            _ = port.write(file, Array("abc"))
            #expect(port.server?.data == [])
            port.far { $0.send(.flowControlResume) }
            #expect(port.server?.data == Array("abc"))
        }
    }

    @Test func item103FlowCharactersGoAhead() throws {
        try writing { port, file in
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, Array("abc"))
            let off = port.ioctl(file, .TCXONC, value: 2)
            #expect(port.outcome(off) == .ioctl([]))
            _ = port.ioctl(file, .TCXONC, value: 3)
            #expect(port.server?.data == [0x13, 0x11])
            try port.change(file) { $0[.VSTOP] = 0 }
            _ = port.ioctl(file, .TCXONC, value: 2)
            #expect(port.server?.data == [0x13, 0x11])
        }
    }

    @Test func item104WhatIsNoAction() throws {
        try writing { port, file in
            for (ioctl, value) in [(.TCXONC, 9), (.TCXONC, 4), (.TCFLSH, 9), (.TCFLSH, UInt64.max)] as [(Ioctl, UInt64)]
            {
                let call = port.ioctl(file, ioctl, value: value)
                #expect(port.outcome(call) == .error(.invalidArgument))
            }
        }
    }
}
