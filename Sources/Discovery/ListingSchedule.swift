import SerialLine

/// When a listing ends, and when the next one begins: if announcements were passed over, the browser lists everything
/// anew until no announcement is passed over. So after a flood the browser is complete one pause later.
struct ListingSchedule {
    /// From a listing's begin to the next one's, in nanoseconds; twice as long each time, up to the longest.
    static let pause: UInt64 = .seconds(5)
    static let longestPause: UInt64 = .seconds(80)
    /// A listing does not wait for longer than this for names to be resolved, in nanoseconds.
    static let patience: UInt64 = .seconds(60)

    /// Nanoseconds from "all for now" to the end, if all has been resolved by then.
    let settling: UInt64
    private var begunAt = MonotonicTime(nanoseconds: 0)
    private var settledAt: MonotonicTime?
    private var pause = Self.pause
    /// A known service was withdrawn, by its host or by another one: since then.
    private var doubtfulSince: MonotonicTime?
    /// Withdrawals come together, in nanoseconds.
    private static let doubtPause: UInt64 = .milliseconds(250)

    init(settling: UInt64) { self.settling = settling }

    /// A known service was withdrawn: only a listing shows whether it is gone.
    mutating func doubt(_ now: MonotonicTime) { doubtfulSince = doubtfulSince ?? now }

    /// Something was withdrawn, and no listing has begun since then.
    var isDoubtful: Bool { doubtfulSince != nil }

    mutating func begin(_ now: MonotonicTime) {
        doubtfulSince = nil
        begunAt = now
        settledAt = nil
    }

    /// Avahi has told all that it has for now, of every type.
    mutating func heardAll(_ now: MonotonicTime) { settledAt = settledAt ?? now + settling }

    /// When all has been told; nil while Avahi has more to say.
    var heardAt: MonotonicTime? { settledAt }

    /// Does the listing wait for an item that is announced now? A flood after "all for now" must not keep it from ending.
    func awaits(_ now: MonotonicTime) -> Bool { settledAt.map { now < $0 } ?? true }

    /// When the listing ends; nil while Avahi has more to say.
    /// - Parameter isSettled: all that is awaited has been resolved, or could not be.
    func end(isSettled: Bool) -> MonotonicTime? {
        settledAt.map { isSettled ? $0 : $0 + Self.patience }
    }

    /// The listing has ended.
    mutating func ended(overflow: Int) { pause = overflow == 0 ? Self.pause : min(2 * pause, Self.longestPause) }

    /// When the next listing is due, after this one has ended; nil: none.
    func next(overflow: Int) -> MonotonicTime? {
        [doubtAt, overflow > 0 ? begunAt + pause : nil].compactMap(\.self).min()
    }

    /// When a listing is due that shows whether a known service is gone. It does not wait for names of strangers.
    var doubtAt: MonotonicTime? { doubtfulSince.map { max($0 + Self.doubtPause, begunAt + Self.pause) } }
}
