import SerialLine

/// The line clock: the time at which the line will have sent everything that has gone to the socket, reckoned as bytes
/// times frame time at the rate. It tells the time of bytes as they leave here; at the far end everything is later by
/// the way there.
struct LineClock: Sendable {
    /// Bytes that may go to the line without a look at the clock. Their time on the line is reckoned from a little too
    /// late, by no more than these bytes take.
    private static let untimedLimit = 64

    /// When the line is free, but for `untimed`. If output is held, the line needs the time from the hold to this.
    private(set) var freeAt = MonotonicTime(nanoseconds: 0)
    /// Since when output is known to be held at the far end; nil if it is not.
    private var heldSince: MonotonicTime?
    /// Bytes gone to the socket whose time on the line is not reckoned yet.
    private var untimed = 0

    var hasUntimed: Bool { untimed > 0 }
    /// So many bytes are untimed that `reckon` must follow.
    var wantsReckoning: Bool { untimed >= Self.untimedLimit }
    /// The line sends nothing at present.
    var isHeld: Bool { heldSince != nil }

    /// Data bytes have gone to the socket.
    mutating func sent(_ count: Int) { untimed += count }

    /// Adds the time that the bytes gone to the socket take on the line.
    /// - Parameter frame: the time of one byte on the line, in nanoseconds.
    mutating func reckon(_ time: inout EventTime, frame: UInt64) {
        guard untimed > 0 else { return }
        freeAt = max(freeAt, heldSince ?? time.now) + UInt64(untimed) &* frame
        untimed = 0
    }

    /// Output begins or ends to be held. Nothing changes if that is known.
    mutating func hold(_ isHeld: Bool, _ time: inout EventTime) {
        guard isHeld != self.isHeld else { return }
        if isHeld {
            heldSince = time.now
        } else if let since = heldSince {
            heldSince = nil
            if freeAt > since { freeAt = freeAt + time.now.since(since) }
        }
    }

    /// Nanoseconds that the line still needs for the reckoned bytes.
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
