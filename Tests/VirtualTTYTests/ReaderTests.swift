import LineDiscipline
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Bytes and readers: nothing lost, nothing twice, one reader at a time (TTY-SPEC F.3, 54 to 60).
@Suite struct ReaderTests {
    private static let again = Outcome.error(.resourceTemporarilyUnavailable)

    @Test func items54And55NothingIsLost() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            var random = SplitMix64(seed: 55)
            let bytes = random.bytes(22_000)
            port.far { $0.send(Array(bytes[..<4000])) }
            let first = port.read(file, 8192)
            #expect(port.outcome(first) == .data(Array(bytes[..<4000])))
            port.far { $0.send(Array(bytes[4000...])) }
            try #expect(port.number(file, .FIONREAD) == 4095)
            var read = Array(bytes[..<4000])
            while case .data(let more) = port.outcome(port.read(file, 3000, nonBlocking: true)) { read += more }
            #expect(read == bytes)
        }
    }

    @Test func item57EndOfFileCharacterIsData() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            port.far { $0.send([4]) }
            let read = port.read(file)
            #expect(port.outcome(read) == .data([4]))
        }
    }

    @Test func item58FilesShareTheBytes() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            let second = try port.openFile()
            port.far { $0.send(Array("abcdef")) }
            let one = port.read(file, 3)
            let other = port.read(second, 3)
            #expect(port.outcome(one) == .data(Array("abc")))
            #expect(port.outcome(other) == .data(Array("def")))
        }
    }

    @Test func item59OneReaderAtATime() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            let second = try port.openFile()
            let blocked = port.read(file)
            let other = port.read(second, nonBlocking: true)
            #expect(port.outcome(other) == Self.again)
            #expect(port.outcome(blocked) == nil)
            port.interrupt(blocked)
        }
    }

    @Test func item60ReadersTakeTurns() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            let second = try port.openFile()
            let one = port.read(file)
            let other = port.read(second)
            port.far { $0.send(Array("a")) }
            #expect(port.outcome(one) == .data(Array("a")))
            #expect(port.outcome(other) == nil)
            port.advance(.milliseconds(100))
            port.far { $0.send(Array("b")) }
            #expect(port.outcome(other) == .data(Array("b")))
        }
    }

    /// The second reader's MIN and TIME count from when its turn comes.
    @Test func aWaitingReadersTimerWaitsToo() throws {
        try reading(min: 0, time: 5) { port, file, start in
            let one = port.read(file)
            let other = port.read(file)
            port.advance(.milliseconds(600))
            #expect(port.milliseconds(one, since: start) == 500)
            #expect(port.outcome(other) == nil)
            port.advance(.milliseconds(600))
            #expect(port.milliseconds(other, since: start) == 1000)
        }
    }

    /// What a blocked read has taken is its own: a flush by another program takes nothing of it, nor is it there for
    /// others.
    @Test func aReaderKeepsWhatItHasTaken() throws {
        try reading(min: 5, time: 3) { port, file, start in
            let read = port.read(file)
            port.far { $0.send(Array("abc")) }
            try #expect(port.get(file, .FIONREAD) == [0, 0, 0, 0])
            port.advance(.milliseconds(100))
            let flush = port.ioctl(file, .TCFLSH, value: 0)
            #expect(port.outcome(flush) == .ioctl([]))
            port.advance(.seconds(2))
            #expect(port.outcome(read) == .data(Array("abc")))
            #expect(port.milliseconds(read, since: start) == 300)
        }
    }

    @Test func nothingWantedIsAnsweredAtOnce() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            let read = port.read(file, 0)
            #expect(port.outcome(read) == .data([]))
        }
    }

    @Test func withoutCREADNothingComes() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            try port.change(file) { $0.cflag.remove(.CREAD) }
            port.far { $0.send(Array("lost")) }
            try #expect(port.number(file, .FIONREAD) == 0)
            try port.change(file) { $0.cflag.insert(.CREAD) }
            port.far { $0.send(Array("kept")) }
            let read = port.read(file)
            #expect(port.outcome(read) == .data(Array("kept")))
        }
    }
}
