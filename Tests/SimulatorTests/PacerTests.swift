import SerialLine
import Testing

@testable import Simulator

@Suite struct PacerTests {
    private let start = MonotonicTime(nanoseconds: 5_000)

    @Test func aByteLeavesAfterItsFrame() {
        var pacer = Pacer()
        #expect(pacer.leave(waiting: 1, frame: 100, now: start) == 0)
        #expect(pacer.deadline(waiting: 1, frame: 100) == start + 100)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 99) == 0)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 100) == 1)
        #expect(pacer.deadline(waiting: 0, frame: 100) == nil)
    }

    @Test func lateWakingsLoseNoTime() {
        var pacer = Pacer()
        var waiting = 1000
        var now = start
        var random = SystemRandomNumberGenerator()
        _ = pacer.leave(waiting: waiting, frame: 100, now: now)
        while waiting > 0 {
            now = now + UInt64.random(in: 1...5000, using: &random)
            let left = pacer.leave(waiting: waiting, frame: 100, now: now)
            waiting -= left
            let elapsed = now.since(start)
            // Neither more than time allows, nor less while bytes are waiting.
            #expect(UInt64(1000 - waiting) <= elapsed / 100)
            if waiting > 0 { #expect(UInt64(1000 - waiting) == elapsed / 100) }
        }
    }

    @Test func anIdleLineSavesNoTime() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 1, frame: 100, now: start)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 100) == 1)
        #expect(pacer.leave(waiting: 0, frame: 100, now: start + 200) == 0)
        #expect(pacer.leave(waiting: 50, frame: 100, now: start + 100_000) == 0)
        #expect(pacer.leave(waiting: 50, frame: 100, now: start + 100_100) == 1)
    }

    @Test func aStoppedLineSavesNoTime() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 10, frame: 100, now: start)
        pacer.stop()
        #expect(pacer.leave(waiting: 10, frame: 100, now: start + 1000) == 0)
        #expect(pacer.leave(waiting: 10, frame: 100, now: start + 1100) == 1)
    }

    @Test func aFastLineWakesForManyBytesAtOnce() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 1000, frame: 2500, now: start)
        #expect(pacer.deadline(waiting: 1000, frame: 2500) == start + 1_000_000)
        #expect(pacer.deadline(waiting: 3, frame: 2500) == start + 7500)
        #expect(pacer.deadline(waiting: 1000, frame: 2_000_000) == start + 2_000_000)
    }

    @Test func whatWasReadyFollowsWithoutAGap() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 2, frame: 100, now: start)
        #expect(pacer.leave(waiting: 2, frame: 100, now: start + 1000) == 2)
        #expect(pacer.lastLeft == start + 200)
        #expect(pacer.missed(frame: 100, now: start + 1000) == 8)
        // Five were ready at 200, the sixth came later and begins now.
        #expect(pacer.leave(waiting: 6, prompt: 5, frame: 100, now: start + 1000) == 5)
        #expect(pacer.lastLeft == start + 700)
        #expect(pacer.isBusy)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 1099) == 0)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 1100) == 1)
        #expect(pacer.lastLeft == start + 1100)
    }

    @Test func aLineThatStoodStillOwesNothing() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 1, frame: 100, now: start)
        _ = pacer.leave(waiting: 1, frame: 100, now: start + 100)
        pacer.stop()
        #expect(pacer.missed(frame: 100, now: start + 1000) == 0)
        #expect(pacer.leave(waiting: 5, prompt: 5, frame: 100, now: start + 1000) == 0)
    }
}
