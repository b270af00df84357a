import Glibc
import SerialLine

extension MonotonicTime {
    /// The current time.
    package static var now: MonotonicTime {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}

extension MonotonicTime {
    /// Nanoseconds from now until this moment; 0 if it has passed.
    package var nanosecondsFromNow: UInt64 { since(.now) }
}
