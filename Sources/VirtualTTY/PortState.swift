import SerialLine

/// The reported status of a port.
package struct PortState: Equatable, Sendable {
    package var link = LinkState.idle
    /// The moment at which the link entered this state.
    package var since = MonotonicTime(nanoseconds: 0)
    /// The address of the server, while the port is connected.
    package var peer: String?
    package var settings = LineSettings()
    /// DTR and RTS as commanded, and the far end's lines as reported.
    package var outputs: ModemLines = []
    package var inputs: ModemLines = []
    package var counters = LineCounters()
    /// How many times a lost connection was made again.
    package var reconnects: UInt64 = 0
    /// Data bytes that were lost with connections, since the port was made.
    package var lostBytes: UInt64 = 0
    /// For each open file that is not hung up, the thread that opened it.
    package var openers: [Int32] = []
    package var lastFault: String?
    package var lastFaultAt = MonotonicTime(nanoseconds: 0)
    /// The port ends once no program has it open.
    package var isRetiring = false

    package init() {}
}

/// The status as last reported, to detect changes, and facts that a later status request needs.
struct Reporting: Sendable {
    /// The state of the link, the open files, the settings and `isRetiring`, as last reported.
    var lastReported = PortState()
    var lastReportedFiles = 0
    var lostBytes: UInt64 = 0
    var lastFault: (text: String, at: MonotonicTime)?
    /// The port ends once no program has it open.
    var isRetiring = false
    /// The port has ended.
    var hasRetired = false
}
