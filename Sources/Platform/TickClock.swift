import CLinux
import SerialLine

/// CLOCK_MONOTONIC at the price of a few instructions: between two readings of the kernel's clock, at most 50 ms
/// apart, the processor's own counter tells the time. Where the clock is a system call, as in many virtual machines,
/// one reading costs as much as sending a byte.
///
/// Concurrency model: none of its own; whoever calls `now` holds a lock that all its callers share.
package final class TickClock: @unchecked Sendable {
    /// How long the counter is trusted.
    private static let trust: UInt64 = .milliseconds(50)

    private var anchor = MonotonicTime.now
    private var anchorTicks = clinux_ticks()
    /// Ticks in `trust`, as last measured; 0 until it has been.
    private var trustTicks: UInt64 = 0

    package init() {}

    /// The present, never earlier than the last answer's anchor.
    package var now: MonotonicTime {
        let passed = clinux_ticks() &- anchorTicks
        // A counter that jumps, or stands still, is no counter: the difference is then huge, or the kernel is asked.
        guard passed > 0, passed < trustTicks else { return readClock() }
        return anchor + Self.scale(passed, Self.trust, by: trustTicks)
    }

    private func readClock() -> MonotonicTime {
        let time = MonotonicTime.now
        let ticks = clinux_ticks()
        let nanoseconds = time.since(anchor)
        let passed = ticks &- anchorTicks
        // Short spans measure badly, long ones may have seen the machine asleep.
        if nanoseconds > .milliseconds(1) && nanoseconds < .seconds(10) && passed < 1 << 50 {
            trustTicks = Self.scale(passed, Self.trust, by: nanoseconds)
        }
        if trustTicks == 0 && nanoseconds <= .milliseconds(1) { return time }
        anchor = time
        anchorTicks = ticks
        return time
    }

    /// a × b ÷ divisor, saturated.
    private static func scale(_ a: UInt64, _ b: UInt64, by divisor: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high < divisor ? divisor.dividingFullWidth(product).quotient : .max
    }
}
