import LineDiscipline
import SerialLine

// The reported status, and the end of a retired port.
extension VirtualTTY {
    /// Notes changes of the status, and ends a retired port once it is unused. A pending open prevents the end; a
    /// later one finds no device.
    mutating func review() {
        let openFiles = liveFiles
        if reporting.isRetiring && !hasRetired && openFiles == 0 && !requests.has(.open) && closing == nil {
            reporting.hasRetired = true
            effects.list.append(.end)
        }
        let link = linkState
        let settings = lineSettings
        guard
            reporting.lastReported.link != link || reporting.lastReportedFiles != openFiles
                || reporting.lastReported.settings != settings
                || reporting.lastReported.isRetiring != reporting.isRetiring
        else { return }
        if reporting.lastReported.link != link { reporting.lastReported.since = now }
        reporting.lastReported.link = link
        reporting.lastReported.settings = settings
        reporting.lastReported.isRetiring = reporting.isRetiring
        reporting.lastReportedFiles = openFiles
        effects.list.append(.changed)
    }

    /// The state of the connection. While a lost connection is being made again, the state remains lost.
    private var linkState: LinkState {
        switch link {
        case .up: .connected
        case .connecting, .opening, .lost: remote.isLost ? .lost : .connecting
        case .disconnecting: remote.isLost ? .lost : .disconnecting
        case .down: .idle
        }
    }

    package var state: PortState {
        var state = reporting.lastReported
        state.peer = remote.peer
        state.settings = lineSettings
        state.outputs = outputs.levels
        state.inputs = inputs.levels
        state.counters = counters
        state.reconnects = remote.reconnects
        state.lostBytes = reporting.lostBytes
        state.openers = files.list.filter { !$0.isDead }.map(\.opener)
        state.lastFault = reporting.lastFault?.text
        state.lastFaultAt = reporting.lastFault?.at ?? MonotonicTime(nanoseconds: 0)
        state.isRetiring = reporting.isRetiring
        return state
    }

    /// The lines that programs, or the port's own policy, have commanded at least once.
    package var commandedLines: ModemLines { outputs.commanded }
    /// A program, or a flow character, has stopped output.
    package var isOutputStopped: Bool { discipline.isOutputStopped }
    /// The connection is kept from start to end.
    package var holdsAlways: Bool { configuration.connect == .always }

    /// Ends the port once no program has it open and no close waits for output.
    package mutating func retire() {
        beginEvent()
        if !isRetiring { log(.notice, "ends once no program has it open") }
        reporting.isRetiring = true
    }

    /// Cancels `retire`.
    /// - Returns: false if the port has ended already.
    package mutating func keep() -> Bool {
        beginEvent()
        guard !hasRetired else { return false }
        if isRetiring { log(.notice, "stays") }
        reporting.isRetiring = false
        return true
    }
}
