import SerialLine

/// The state of a port, for people.
package struct PortState: Equatable, Sendable {
    package var link = LinkState.idle
    /// When the link came to be so.
    package var since = MonotonicTime(nanoseconds: 0)
    /// The address of the server, while the port is connected.
    package var peer: String?
    package var settings = LineSettings()
    /// DTR and RTS as commanded, and the far end's lines as reported.
    package var outputs: ModemLines = []
    package var inputs: ModemLines = []
    package var counters = LineCounters()
    /// How often a lost connection was made again.
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

/// The state of the port as people were last told, so that changes are noticed, and facts they may ask about later.
struct Reporting: Sendable {
    /// The state of the link, the open files, the settings and `isRetiring`, as told.
    var told = PortState()
    var toldFiles = 0
    var lostBytes: UInt64 = 0
    var lastFault: (text: String, at: MonotonicTime)?
    /// The port ends once no program has it open.
    var isRetiring = false
    /// The port has ended.
    var hasRetired = false
}
