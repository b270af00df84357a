import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

/// What people are told about a port.
package struct PortState: Equatable, Sendable {
    package var link = LinkState.idle
    /// When the link came to be so.
    package var since = MonotonicTime(nanoseconds: 0)
    /// Where it is connected to.
    package var peer: String?
    package var settings = LineSettings()
    /// DTR and RTS as commanded, and the far end's lines as reported.
    package var outputs: ModemLines = []
    package var inputs: ModemLines = []
    package var counters = LineCounters()
    /// How often a lost connection was made again.
    package var reconnects: UInt64 = 0
    /// For each open file that is not hung up, the thread that opened it.
    package var openers: [Int32] = []
    package var lastFault: String?
    package var lastFaultAt = MonotonicTime(nanoseconds: 0)
    /// The port ends once no program has it open.
    package var isRetiring = false

    package init() {}
}

/// What was last looked at, so that changes are noticed.
struct Reviewed: Sendable {
    var link = LinkState.idle
    var since = MonotonicTime(nanoseconds: 0)
    var openFiles = 0
    var settings = LineSettings()
    var isRetiring = false
}

// What people are told, and the port's end when it is to retire.
extension VirtualTTY {
    /// To be called after every event, before its effects are taken: notes what has changed, and ends the port once it
    /// may. An open that came before is in `files` or `opens` by now, and wins; one that comes later finds no device.
    package mutating func review() {
        guard needsReview else { return }
        needsReview = false
        if self.link == .down { isLost = false }
        let link = linkState
        let openFiles = liveFiles
        let settings = lineSettings
        if isRetiring && !hasRetired && openFiles == 0 && opens.isEmpty && closing == nil {
            hasRetired = true
            effects.list.append(.end)
        }
        if reviewed.link != link { reviewed.since = now }
        guard
            reviewed.link != link || reviewed.openFiles != openFiles || reviewed.settings != settings
                || reviewed.isRetiring != isRetiring
        else { return }
        reviewed.link = link
        reviewed.openFiles = openFiles
        reviewed.settings = settings
        reviewed.isRetiring = isRetiring
        effects.list.append(.changed)
    }

    /// How the port stands with its server. While it is tried to make a lost connection again, it stays lost.
    private var linkState: LinkState {
        switch link {
        case .up: .connected
        case .connecting, .opening, .lost: isLost ? .lost : .connecting
        case .disconnecting: isLost ? .lost : .disconnecting
        case .down: .idle
        }
    }

    package var state: PortState {
        var state = PortState()
        state.link = reviewed.link
        state.since = reviewed.since
        state.peer = peer
        state.settings = lineSettings
        state.outputs = outputs
        state.inputs = inputs
        state.counters = counters
        state.reconnects = reconnects
        state.openers = files.list.filter { !$0.isDead }.map(\.opener)
        state.lastFault = lastFault?.text
        state.lastFaultAt = lastFault?.at ?? MonotonicTime(nanoseconds: 0)
        state.isRetiring = isRetiring
        return state
    }

    /// Something went wrong that people may want to know of later.
    mutating func fault(_ level: LogLevel, _ text: String) {
        lastFault = (text, now)
        log(level, text)
    }

    /// The port is to end once no program has it open, and not while a close still waits for output.
    package mutating func retire() {
        beginEvent()
        if !isRetiring { log(.notice, "ends once no program has it open") }
        isRetiring = true
        needsReview = true
    }

    /// Takes `retire` back.
    /// - Returns: false where the port has retired already.
    package mutating func keep() -> Bool {
        beginEvent()
        guard !hasRetired else { return false }
        if isRetiring { log(.notice, "stays") }
        isRetiring = false
        needsReview = true
        return true
    }
}
