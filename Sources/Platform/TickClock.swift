import CLinux
import SerialLine

/// CLOCK_MONOTONIC at the cost of a few instructions: between two readings of the kernel's clock, at most 50 ms
/// apart, the time is calculated from the processor's cycle counter. If reading the clock is a system call, as in
/// many virtual machines, it costs as much as sending a byte.
///
/// Concurrency model: no lock of its own; all callers of `now` must share a lock.
package final class TickClock: @unchecked Sendable {
    /// Longest time for which the counter is used without reading the clock, in nanoseconds.
    private static let trust: UInt64 = .milliseconds(50)

    private var anchor = MonotonicTime.now
    private var anchorTicks = clinux_ticks()
    /// Ticks in `trust`, as last measured; 0 before the first measurement.
    private var trustTicks: UInt64 = 0

    package init() {}

    /// The current time; never earlier than the last reading of the kernel's clock.
    package var now: MonotonicTime {
        let passed = clinux_ticks() &- anchorTicks
        // If the counter jumps, or stands still, the kernel's clock is read.
        guard passed > 0, passed < trustTicks else { return readClock() }
        return anchor + Self.scale(passed, Self.trust, by: trustTicks)
    }

    private func readClock() -> MonotonicTime {
        let time = MonotonicTime.now
        let ticks = clinux_ticks()
        let nanoseconds = time.since(anchor)
        let passed = ticks &- anchorTicks
        // Short spans are imprecise, and in long ones the machine may have been suspended.
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
