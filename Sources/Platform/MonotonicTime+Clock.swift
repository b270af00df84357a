import Glibc
import SerialLine

extension MonotonicTime {
    /// The present.
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
    /// Nanoseconds from the present until then; 0 when past.
    package var nanosecondsFromNow: UInt64 { since(.now) }
}
