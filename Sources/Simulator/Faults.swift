import SerialLine

/// Errors of the line, at an interval of received bytes.
package struct LineErrorPlan: Equatable, Sendable {
    /// The states reported, in turn.
    package var states: [LineState]
    /// In bytes; at least 1.
    package var interval: Int

    package init(states: [LineState] = [.parity, .framing, .overrun, .breakDetected], every interval: Int) {
        self.states = states
        self.interval = max(interval, 1)
    }

    private static let names: [(String, LineState)] = [
        ("parity", .parity), ("framing", .framing), ("overrun", .overrun), ("break", .breakDetected),
    ]

    /// Parses `N` (all kinds in turn) or `KIND:N` with KIND parity, framing, overrun or break; nil for another text.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let last = parts.last, parts.count <= 2, let interval = Int(last), interval > 0 else { return nil }
        self.init(every: interval)
        if parts.count == 2 {
            guard let state = Self.names.first(where: { $0.0 == parts[0] })?.1 else { return nil }
            states = [state]
        }
    }
}

/// Deliberate faults.
package struct Faults: Equatable, Sendable {
    package var lineErrors: LineErrorPlan?
    /// Interval of changes of one modem line, in nanoseconds: RI up, RI down, then DCD, DSR and CTS.
    package var modemChangeInterval: UInt64?
    /// The connection is closed after this many bytes of data from its client.
    package var dropAfter: Int?
    /// Reading from the client stops after this many bytes of its data, once per connection.
    package var stallAfter: Int?
    /// How long reading stops, in nanoseconds; nil: until `resumeStalled`.
    package var stallNanoseconds: UInt64?
    /// CTS is always low.
    package var holdsCTS = false

    package init() {}
}
