/// A moment of CLOCK_MONOTONIC, in nanoseconds. Pure code receives it as an argument; `Platform` reads the clock.
package struct MonotonicTime: Comparable, Hashable, Sendable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static func < (a: MonotonicTime, b: MonotonicTime) -> Bool { a.nanoseconds < b.nanoseconds }
    package static func + (a: MonotonicTime, nanoseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: a.nanoseconds &+ nanoseconds)
    }

    /// The moment this many nanoseconds before, but not before 0.
    package func earlier(_ nanoseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: self.nanoseconds - min(nanoseconds, self.nanoseconds))
    }

    /// Nanoseconds from `earlier` to this moment; 0 if `earlier` is later.
    package func since(_ earlier: MonotonicTime) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
    }
}

extension UInt64 {
    /// Converts milliseconds to nanoseconds.
    package static func milliseconds(_ count: UInt64) -> UInt64 { count &* 1_000_000 }
    /// Converts seconds to nanoseconds.
    package static func seconds(_ count: UInt64) -> UInt64 { count &* 1_000_000_000 }
}

/// The earlier of two moments; nil means never.
package func sooner(_ a: MonotonicTime?, _ b: MonotonicTime?) -> MonotonicTime? {
    guard let a, let b else { return a ?? b }
    return min(a, b)
}
