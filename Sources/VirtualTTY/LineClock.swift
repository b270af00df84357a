import SerialLine

/// The line clock: the moment at which the line will have sent everything that was written to the socket, calculated
/// as bytes times frame time. It counts bytes as they leave this machine; at the far end everything happens later by
/// the time of the way there.
struct LineClock: Sendable {
    /// Bytes that may be sent without reading the clock. Their line time is then counted from a moment that is too
    /// late by at most the time that these bytes take.
    private static let untimedLimit = 64

    /// The moment at which the line will be free, not counting `untimed`. If output is held, the line needs the time
    /// from the hold to this moment.
    private(set) var freeAt = MonotonicTime(nanoseconds: 0)
    /// The moment since which output is known to be held at the far end; nil if it is not held.
    private var heldSince: MonotonicTime?
    /// Bytes written to the socket whose line time is not added yet.
    private var untimed = 0

    var hasUntimed: Bool { untimed > 0 }
    /// `untimed` has reached its limit, so `reckon` must be called.
    var wantsReckoning: Bool { untimed >= Self.untimedLimit }
    /// The line sends nothing at present.
    var isHeld: Bool { heldSince != nil }

    /// Data bytes have gone to the socket.
    mutating func sent(_ count: Int) { untimed += count }

    /// Adds the line time of the bytes written to the socket.
    /// - Parameter frame: the time of one byte on the line, in nanoseconds.
    mutating func reckon(_ time: inout EventTime, frame: UInt64) {
        guard untimed > 0 else { return }
        freeAt = max(freeAt, heldSince ?? time.now) + UInt64(untimed) &* frame
        untimed = 0
    }

    /// Output starts or stops being held. Calling it again with the same value changes nothing.
    mutating func hold(_ isHeld: Bool, _ time: inout EventTime) {
        guard isHeld != self.isHeld else { return }
        if isHeld {
            heldSince = time.now
        } else if let since = heldSince {
            heldSince = nil
            if freeAt > since { freeAt = freeAt + time.now.since(since) }
        }
    }

    /// Nanoseconds that the line still needs for the bytes counted by `reckon`.
    func remaining(_ now: MonotonicTime) -> UInt64 { freeAt.since(heldSince ?? now) }

    /// The time from which the line needs at most `remaining` nanoseconds; nil if output is held until then.
    func time(withRemaining remaining: UInt64) -> MonotonicTime? {
        if let heldSince { return freeAt.since(heldSince) <= remaining ? heldSince : nil }
        return freeAt.earlier(remaining)
    }

    /// The line cannot be free before this.
    mutating func isBusy(until time: MonotonicTime) { if heldSince == nil { freeAt = max(freeAt, time) } }

    /// The line needs at most `remaining` nanoseconds from `now` on.
    mutating func limit(_ remaining: UInt64, _ now: MonotonicTime) {
        freeAt = min(freeAt, (heldSince ?? now) + remaining)
    }

    /// The line has dropped everything it had to send.
    mutating func clear(_ time: inout EventTime) {
        untimed = 0
        freeAt = heldSince ?? time.now
    }
}
