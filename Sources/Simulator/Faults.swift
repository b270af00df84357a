import SerialLine

/// Errors of the line, every so many received bytes.
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

    /// Reads `N` (all kinds in turn) or `KIND:N`, KIND one of parity, framing, overrun, break; nil for anything else.
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

/// What goes wrong on purpose.
package struct Faults: Equatable, Sendable {
    package var lineErrors: LineErrorPlan?
    /// Every so many nanoseconds one modem line changes: RI up, RI down, then so DCD, DSR and CTS.
    package var modemChangeInterval: UInt64?
    /// The connection is closed after so many bytes of data from its client.
    package var dropAfter: Int?
    /// The client is no longer read from after so many bytes of its data, once per connection.
    package var stallAfter: Int?
    /// How long that lasts, in nanoseconds; nil: until `resumeStalled`.
    package var stallNanoseconds: UInt64?
    /// CTS stays low whatever the wiring says.
    package var holdsCTS = false

    package init() {}
}
