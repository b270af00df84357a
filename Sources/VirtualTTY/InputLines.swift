import SerialLine

/// The far end's modem lines, as last reported.
struct InputLines: Sendable {
    private(set) var levels: ModemLines = []
    /// The far end has reported its lines on this connection.
    private(set) var isReported = false
    /// Programs have seen line levels, so the next report counts as a change.
    private(set) var isShown = false

    /// The moment at which the server was last sent a low DTR.
    private var dtrFellAt: MonotonicTime?
    /// Until this moment the next fall of carrier belongs to the time before the open.
    private var staleUntil: MonotonicTime?

    var hasCarrier: Bool { levels.contains(.dcd) }

    /// A first open begins: no program has seen the lines yet.
    mutating func beginShowing() { isShown = false }

    mutating func report(_ lines: ModemLines) {
        levels = lines
        isReported = true
        isShown = true
    }

    /// The lines read low from now on, because no server reports them.
    mutating func drop() {
        levels = []
        isReported = false
    }

    // Carrier from before an open. When DTR falls, carrier may fall with it, and the server has yet to report that.
    // The program that opens the port meanwhile has not lost this carrier: the kernel's drivers, too, drop earlier
    // changes at startup.

    /// Most servers look at their modem lines once a second.
    private static let reportedWithin: UInt64 = .milliseconds(1500)

    mutating func dtrFell(_ now: MonotonicTime) { dtrFellAt = now }

    /// A connection begins. Its first report postdates every command of the connection before.
    mutating func forgetFall() {
        dtrFellAt = nil
        staleUntil = nil
    }

    /// The first file is opened, or the open files have a new connection.
    mutating func begin(dtrIsUp: Bool, _ time: inout EventTime) {
        staleUntil = nil
        guard let dtrFellAt else { return }
        // If DTR is up again, a carrier that reads low is known to have fallen.
        let isKnownToHaveFallen = isReported && !hasCarrier && dtrIsUp
        let until = dtrFellAt + Self.reportedWithin
        if !isKnownToHaveFallen && time.now < until { staleUntil = until }
    }

    /// An open has waited for carrier, and carrier has come: it belongs to that open.
    mutating func carrierCame() { staleUntil = nil }

    /// Returns whether this fall of carrier is the one from before the open, of which there is only one.
    mutating func takeStaleFall(_ time: inout EventTime) -> Bool {
        guard let until = staleUntil else { return false }
        staleUntil = nil
        return time.now < until
    }
}
