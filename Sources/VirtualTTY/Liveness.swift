import SerialLine

/// The kernel's view of a connection's peer at one moment (TCP_INFO).
package struct LifeSigns: Equatable, Sendable {
    /// The kernel holds bytes that the peer's kernel has not acknowledged, sent or not.
    package var hasPending: Bool
    /// Some of these bytes have been sent.
    package var hasUnacknowledged: Bool
    /// Nanoseconds since the last segment of the peer, each of which repeats its last acknowledgement.
    package var sinceAcknowledgement: UInt64
    /// Bytes of this connection that the peer's kernel has acknowledged; nil if this kernel does not count them.
    package var acknowledged: UInt64?
    /// Window probes and keepalive probes without an answer, in a row.
    package var unansweredProbes: Int

    package init(
        hasPending: Bool, hasUnacknowledged: Bool, sinceAcknowledgement: UInt64, acknowledged: UInt64? = nil,
        unansweredProbes: Int
    ) {
        self.hasPending = hasPending
        self.hasUnacknowledged = hasUnacknowledged
        self.sinceAcknowledgement = sinceAcknowledgement
        self.acknowledged = acknowledged
        self.unansweredProbes = unansweredProbes
    }

    /// No byte is pending.
    package static let quiet = LifeSigns(
        hasPending: false, hasUnacknowledged: false, sinceAcknowledgement: 0, unansweredProbes: 0)
}

/// Decides whether the peer is alive, by its acknowledgements. The peer is checked only while bytes are pending: the
/// kernel's keepalive covers an idle connection, without wake-ups.
struct Liveness: Sendable {
    /// The pause before the first check, in nanoseconds. Usually the peer has acknowledged everything by then, and an
    /// idle port remains idle.
    private static let firstPause: UInt64 = .milliseconds(100)
    /// The longest pause between two checks, in nanoseconds.
    private static let longestPause: UInt64 = .milliseconds(500)
    /// Number of unanswered window probes that count as death, if `deadAfter` has passed as well. The kernel sends
    /// them at intervals that double, up to two minutes.
    private static let fatalProbes = 3

    /// Nanoseconds without any acknowledgement before the connection is considered dead.
    var deadAfter: UInt64
    /// Time of the last progress: since then bytes are pending and the peer has not acknowledged any.
    private var since: MonotonicTime?
    /// `LifeSigns.acknowledged` at the last look.
    private var acknowledged: UInt64?
    /// When the next check is due; nil while no byte is pending.
    private(set) var nextLook: MonotonicTime?

    init(deadAfter: UInt64) { self.deadAfter = deadAfter }

    private var pause: UInt64 { min(Self.longestPause, deadAfter / 8) }

    /// The socket has taken bytes.
    mutating func sent(_ time: inout EventTime) {
        if nextLook == nil { nextLook = time.now + min(Self.firstPause, pause) }
    }

    /// The connection has ended, or another one begins.
    mutating func reset() {
        since = nil
        nextLook = nil
    }

    /// - Returns: whether the peer is dead.
    mutating func look(_ signs: LifeSigns, now: MonotonicTime) -> Bool {
        guard signs.hasPending else {
            reset()
            return false
        }
        nextLook = now + pause
        guard signs.hasUnacknowledged else {
            // The peer's window is closed: it is alive if it answers the probes.
            since = nil
            return signs.unansweredProbes >= Self.fatalProbes && signs.sinceAcknowledgement >= deadAfter
        }
        // If our packets do not reach the peer, the peer's retransmissions still arrive and repeat its old acknowledgement.
        if signs.acknowledged != acknowledged { since = nil }
        acknowledged = signs.acknowledged
        // Before this check the bytes may have been acknowledged, and others sent.
        let began = since ?? now
        since = began
        let silence = signs.acknowledged == nil ? min(now.since(began), signs.sinceAcknowledgement) : now.since(began)
        if silence < deadAfter { nextLook = min(now + pause, now + (deadAfter - silence)) }
        return silence >= deadAfter
    }
}
