import SerialLine

/// When a listing ends, and when the next one begins. If announcements were dropped, the browser repeats the listing
/// until none is dropped, so after a flood it is complete one pause later.
struct ListingSchedule {
    /// Time from the beginning of a listing to the next one, in nanoseconds; doubled each time, up to the longest.
    static let pause: UInt64 = .seconds(5)
    static let longestPause: UInt64 = .seconds(80)
    /// Longest time that a listing waits for names to be resolved, in nanoseconds.
    static let patience: UInt64 = .seconds(60)

    /// Nanoseconds from "all for now" to the end, if everything was resolved by then.
    let settling: UInt64
    private var begunAt = MonotonicTime(nanoseconds: 0)
    private var settledAt: MonotonicTime?
    private var pause = Self.pause
    /// The moment of the first withdrawal of a known service since the last listing, by its host or by another one.
    private var doubtfulSince: MonotonicTime?
    /// Time in which several withdrawals are treated as one, in nanoseconds.
    private static let doubtPause: UInt64 = .milliseconds(250)

    init(settling: UInt64) { self.settling = settling }

    /// A known service was withdrawn: only a listing shows whether it is gone.
    mutating func doubt(_ now: MonotonicTime) { doubtfulSince = doubtfulSince ?? now }

    /// A service was withdrawn, and no listing has begun since then.
    var isDoubtful: Bool { doubtfulSince != nil }

    mutating func begin(_ now: MonotonicTime) {
        doubtfulSince = nil
        begunAt = now
        settledAt = nil
    }

    /// Avahi has reported everything that it has for now, for all types.
    mutating func heardAll(_ now: MonotonicTime) { settledAt = settledAt ?? now + settling }

    /// When everything was reported; nil while Avahi has more to report.
    var heardAt: MonotonicTime? { settledAt }

    /// Whether the listing waits for an item that is announced now. A flood after "all for now" must not delay its
    /// end.
    func awaits(_ now: MonotonicTime) -> Bool { settledAt.map { now < $0 } ?? true }

    /// When the listing ends; nil while Avahi has more to report.
    /// - Parameter isSettled: all awaited items were resolved, or have failed.
    func end(isSettled: Bool) -> MonotonicTime? {
        settledAt.map { isSettled ? $0 : $0 + Self.patience }
    }

    /// The listing has ended.
    mutating func ended(overflow: Int) { pause = overflow == 0 ? Self.pause : min(2 * pause, Self.longestPause) }

    /// When the next listing is due after the end of this one; nil: none is due.
    func next(overflow: Int) -> MonotonicTime? {
        [doubtAt, overflow > 0 ? begunAt + pause : nil].compactMap(\.self).min()
    }

    /// When a listing is due that shows whether a known service is gone. It does not wait for names of strangers.
    var doubtAt: MonotonicTime? { doubtfulSince.map { max($0 + Self.doubtPause, begunAt + Self.pause) } }
}
