import LineDiscipline
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Non-canonical reading (TTY-SPEC F.3, by its numbers).
@Suite struct ReadTests {
    private static let again = Outcome.error(.resourceTemporarilyUnavailable)

    @Test func item38NothingWanted() throws {
        try reading(min: 0, time: 0) { port, file, _ in
            for nonBlocking in [false, true] {
                let empty = port.read(file, nonBlocking: nonBlocking)
                #expect(port.outcome(empty) == .data([]))
            }
            port.far { $0.send(Array("ab")) }
            let both = port.read(file)
            #expect(port.outcome(both) == .data(Array("ab")))
        }
    }

    @Test func item39TimeAlone() throws {
        try reading(min: 0, time: 5) { port, file, start in
            let read = port.read(file)
            port.advance(.milliseconds(499))
            #expect(port.outcome(read) == nil)
            port.advance(.milliseconds(10))
            #expect(port.outcome(read) == .data([]))
            #expect(port.milliseconds(read, since: start) == 500)
        }
    }

    @Test func item40TimeAloneNonBlocking() throws {
        try reading(min: 0, time: 5) { port, file, _ in
            let read = port.read(file, nonBlocking: true)
            #expect(port.outcome(read) == Self.again)
        }
    }

    @Test func item41TimeAloneEndsWithTheFirstBytes() throws {
        try reading(min: 0, time: 5) { port, file, start in
            let read = port.read(file)
            port.advance(.milliseconds(200))
            port.far { $0.send(Array("ab")) }
            #expect(port.outcome(read) == .data(Array("ab")))
            #expect(port.milliseconds(read, since: start) == 200)
            // Nothing is left of its timer.
            port.advance(.seconds(1))
        }
    }

    @Test func item42NothingThereNonBlocking() throws {
        try reading(min: 1, time: 0) { port, file, _ in
            let read = port.read(file, nonBlocking: true)
            #expect(port.outcome(read) == Self.again)
        }
    }

    @Test func items43And44LessThanMin() throws {
        try reading(min: 5, time: 0) { port, file, _ in
            port.far { $0.send(Array("abc")) }
            #expect(port.readiness(file) & 1 == 0)
            try #expect(port.number(file, .FIONREAD) == 3)
            let read = port.read(file, nonBlocking: true)
            #expect(port.outcome(read) == .data(Array("abc")))
        }
    }

    @Test func item45CountBelowMin() throws {
        try reading(min: 5, time: 0) { port, file, start in
            port.far { $0.send(Array("ab")) }
            let read = port.read(file, 3)
            port.advance(.milliseconds(300))
            #expect(port.outcome(read) == nil)
            port.far { $0.send(Array("c")) }
            #expect(port.outcome(read) == .data(Array("abc")))
            #expect(port.milliseconds(read, since: start) == 300)
        }
    }

    @Test func item46TimeBetweenBytes() throws {
        try reading(min: 5, time: 3) { port, file, start in
            let read = port.read(file)
            port.advance(.milliseconds(200))
            port.far { $0.send(Array("ab")) }
            port.advance(.milliseconds(200))
            port.far { $0.send(Array("cd")) }
            port.advance(.seconds(1))
            #expect(port.outcome(read) == .data(Array("abcd")))
            #expect(port.milliseconds(read, since: start) == 700)
        }
    }

    @Test func item47MinEndsIt() throws {
        try reading(min: 5, time: 3) { port, file, start in
            let read = port.read(file)
            port.advance(.milliseconds(100))
            port.far { $0.send(Array("ab")) }
            port.advance(.milliseconds(100))
            port.far { $0.send(Array("cdefgh")) }
            #expect(port.outcome(read) == .data(Array("abcdefgh")))
            #expect(port.milliseconds(read, since: start) == 200)
        }
    }

    @Test func item48TheTimerStartsWithTheFirstByte() throws {
        try reading(min: 3, time: 5) { port, file, start in
            let read = port.read(file)
            port.advance(.seconds(1))
            #expect(port.outcome(read) == nil)
            port.far { $0.send(Array("a")) }
            port.advance(.seconds(1))
            #expect(port.outcome(read) == .data(Array("a")))
            #expect(port.milliseconds(read, since: start) == 1500)
        }
    }

    @Test func bytesAlreadyThereStartTheTimer() throws {
        try reading(min: 3, time: 5) { port, file, start in
            port.far { $0.send(Array("a")) }
            port.advance(.seconds(1))
            let read = port.read(file)
            port.advance(.seconds(1))
            #expect(port.outcome(read) == .data(Array("a")))
            #expect(port.milliseconds(read, since: start) == 1500)
        }
    }

    @Test func item49PollWithTime() throws {
        try reading(min: 5, time: 1) { port, file, _ in
            #expect(port.readiness(file) & 1 == 0)
            port.far { $0.send(Array("abc")) }
            #expect(port.readiness(file) & 0x41 == 0x41)
        }
    }

    @Test func item50PollWithALargeMin() throws {
        try reading(min: 255, time: 0) { port, file, _ in
            port.far { $0.send([UInt8](repeating: 1, count: 254)) }
            #expect(port.readiness(file) & 1 == 0)
            port.far { $0.send([2]) }
            #expect(port.readiness(file) & 1 == 1)
        }
    }

    @Test func item51MinIsLatched() throws {
        try reading(min: 10, time: 0) { port, file, _ in
            let read = port.read(file)
            port.far { $0.send(Array("abc")) }
            try port.setRaw(file, min: 1)
            port.far { $0.send(Array("d")) }
            #expect(port.outcome(read) == nil)
            port.far { $0.send(Array("efghijk")) }
            #expect(port.outcome(read) == .data(Array("abcdefghijk")))
        }
    }

    @Test func item52PollersDoNotLatch() throws {
        try reading(min: 10, time: 0) { port, file, _ in
            port.far { $0.send(Array("abc")) }
            let poll = port.poll(file, 0x41, notifies: true)
            #expect(port.outcome(poll) == .poll(0x104))
            #expect(port.notified == [])
            try port.setRaw(file, min: 1)
            #expect(port.notified == [file])
            #expect(port.readiness(file) & 1 == 1)
        }
    }

    /// POSIX: a read waits for MIN bytes, 64 or not.
    @Test func item53MinAboveSixtyFour() throws {
        try reading(min: 100, time: 0) { port, file, _ in
            let read = port.read(file, 255)
            port.far { $0.send([UInt8](repeating: 7, count: 80)) }
            #expect(port.outcome(read) == nil)
            port.far { $0.send([UInt8](repeating: 7, count: 40)) }
            #expect(port.outcome(read) == .data([UInt8](repeating: 7, count: 120)))
        }
    }
}
