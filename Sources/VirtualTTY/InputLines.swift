import SerialLine

/// The far end's modem lines, as last reported.
struct InputLines: Sendable {
    private(set) var levels: ModemLines = []
    /// The far end has reported its lines on this connection.
    private(set) var isReported = false
    /// Programs were shown levels that the next report is a change from.
    private(set) var isShown = false

    /// When DTR was last told to fall.
    private var dtrFellAt: MonotonicTime?
    /// Until then the next fall of carrier is one from before the open.
    private var staleUntil: MonotonicTime?

    var hasCarrier: Bool { levels.contains(.dcd) }

    /// A first open begins: no program has seen the lines yet.
    mutating func beginShowing() { isShown = false }

    mutating func report(_ lines: ModemLines) {
        levels = lines
        isReported = true
        isShown = true
    }

    /// The lines read low, because no server reports them any longer.
    mutating func drop() {
        levels = []
        isReported = false
    }

    // Carrier from before an open. When DTR falls, carrier may fall with it, and the server has yet to say so. Such a
    // carrier is not lost by the program that opens the port meanwhile: the kernel's drivers, too, forget at startup
    // what has changed before.

    /// Servers look at their lines now and then, most of them once a second.
    private static let reportedWithin: UInt64 = .milliseconds(1500)

    mutating func dtrFell(_ now: MonotonicTime) { dtrFellAt = now }

    /// A connection begins. Its first report is from after all that was told to the one before.
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

    /// An open has waited for carrier, and carrier came: it is that open's.
    mutating func carrierCame() { staleUntil = nil }

    /// Is this fall of carrier the one from before the open? There is only one.
    mutating func takeStaleFall(_ time: inout EventTime) -> Bool {
        guard let until = staleUntil else { return false }
        staleUntil = nil
        return time.now < until
    }
}
