import Glibc
import Platform
import SerialLine
import Testing

@Suite struct MonitorTests {
    /// Long enough never to be reached by a monitor that works; a broken one fails its test rather than hang.
    static var limit: MonotonicTime { .now + .seconds(30) }

    @Test func withLock() {
        let monitor = Monitor(1)
        let old = monitor.withLock { state in
            defer { state += 1 }
            return state
        }
        #expect(old == 1)
        #expect(monitor.withLock { $0 } == 2)
    }

    /// A body that throws leaves the monitor open to the next.
    @Test func withLockThrowing() {
        struct Failure: Error {}
        let monitor = Monitor(0)
        #expect(throws: Failure.self) {
            try monitor.withLock { state throws(Failure) in
                state = 7
                throw Failure()
            }
        }
        #expect(monitor.withLock { $0 } == 7)
    }

    @Test func readyAtOnce() {
        let monitor = Monitor(0)
        #expect(monitor.wait { $0 == 0 })
        // A true condition counts even if the deadline has passed long before.
        #expect(monitor.wait(until: MonotonicTime(nanoseconds: 0)) { $0 == 0 })
    }

    /// `ready` may change the state it looks at, as a consumer takes what it waited for.
    @Test func readyTakes() {
        let monitor = Monitor([1, 2])
        #expect(monitor.wait { $0.popLast() == 2 })
        #expect(monitor.withLock { $0 } == [1])
    }

    @Test func deadlineInThePast() {
        let monitor = Monitor(0)
        var asked = 0
        let ready = monitor.wait(until: MonotonicTime(nanoseconds: 0)) { _ in
            asked += 1
            return false
        }
        #expect(!ready && asked == 2)
    }

    /// What became true just as the time ran out is not missed.
    @Test func readyAtTheDeadline() {
        let monitor = Monitor(0)
        var asked = 0
        let ready = monitor.wait(until: .now) { _ in
            asked += 1
            return asked == 2
        }
        #expect(ready)
    }

    /// A wait in vain ends after its deadline, never before.
    @Test func deadline() {
        let monitor = Monitor(0)
        let deadline = MonotonicTime.now + .milliseconds(20)
        #expect(!monitor.wait(until: deadline) { _ in false })
        #expect(MonotonicTime.now >= deadline)
    }

    @Test func farDeadline() throws {
        let monitor = Monitor(false)
        let thread = try Thread("waker") {
            monitor.withLock { $0 = true }
            monitor.wakeAll()
        }
        #expect(monitor.wait(until: MonotonicTime(nanoseconds: .max)) { $0 })
        thread.join()
    }

    /// Two threads hand one number back and forth; a wake-up lost anywhere stops them.
    @Test func handingOver() throws {
        let monitor = Monitor(0)
        let limit = Self.limit
        let thread = try Thread("odd") {
            for _ in 0..<2_000 {
                guard monitor.wait(until: limit, { Self.advance(&$0, from: 1) }) else { return }
                monitor.wakeAll()
            }
        }
        var turns = 0
        while turns < 2_000, monitor.wait(until: limit, { Self.advance(&$0, from: 0) }) {
            monitor.wakeAll()
            turns += 1
        }
        thread.join()
        #expect(turns == 2_000)
        #expect(monitor.withLock { $0 } == 4_000)
    }

    private static func advance(_ state: inout Int, from parity: Int) -> Bool {
        guard state % 2 == parity else { return false }
        state += 1
        return true
    }

    /// One wake-up is for all that sleep.
    @Test func wakeAll() throws {
        struct State {
            var sleeping: Set<Int> = []
            var open = false
            var woken = 0
        }
        let monitor = Monitor(State())
        let limit = Self.limit
        let threads = try (0..<4).map { number in
            try Thread("sleeper \(number)") {
                // Recorded under the lock that sleeping releases: other threads see the record only once this thread
                // sleeps.
                monitor.wait(until: limit) { state in
                    state.sleeping.insert(number)
                    return state.open
                }
                // One that was passed over finds the state open too, but only at its deadline.
                if MonotonicTime.now < limit { monitor.withLock { $0.woken += 1 } }
            }
        }
        while monitor.withLock({ $0.sleeping.count }) < 4 && MonotonicTime.now < limit { sched_yield() }
        monitor.withLock { $0.open = true }
        monitor.wakeAll()
        for thread in threads { thread.join() }
        #expect(monitor.withLock { $0.woken } == 4)
    }

    /// The state is one thread's at a time: no increment of four threads is lost, though each gives the others every
    /// chance to come between its reading and its writing.
    @Test func exclusion() throws {
        let monitor = Monitor(0)
        let threads = try (0..<4).map { number in
            try Thread("adder \(number)") {
                for _ in 0..<50 {
                    monitor.withLock { state in
                        let old = state
                        sched_yield()
                        state = old + 1
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(monitor.withLock { $0 } == 200)
    }
}
