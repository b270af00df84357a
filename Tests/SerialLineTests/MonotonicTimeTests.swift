import SerialLine
import Testing

@Suite struct MonotonicTimeTests {
    private func at(_ nanoseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: nanoseconds) }

    @Test func order() {
        #expect(at(1) < at(2))
        #expect(at(2) > at(1))
        #expect(at(1) == at(1))
        #expect([at(3), at(1), at(2)].min() == at(1))
    }

    @Test func distance() {
        #expect((at(5) + 7).since(at(5)) == 7)
        #expect(at(5).since(at(5)) == 0)
        // The past is no distance, and no trap.
        #expect(at(5).since(at(6)) == 0)
        #expect(at(0).since(at(.max)) == 0)
    }

    @Test func units() {
        #expect(UInt64.milliseconds(3) == 3_000_000)
        #expect(UInt64.seconds(2) == 2_000_000_000)
    }
}
