import LineDiscipline
import SerialLine

// What people are told, and the port's end when it retires.
extension VirtualTTY {
    /// Notes what has changed, and ends the port once it may. An open that came before has won; one that comes later
    /// finds no device.
    mutating func review() {
        let openFiles = liveFiles
        if reporting.isRetiring && !hasRetired && openFiles == 0 && !requests.has(.open) && closing == nil {
            reporting.hasRetired = true
            effects.list.append(.end)
        }
        let link = linkState
        let settings = lineSettings
        guard
            reporting.told.link != link || reporting.toldFiles != openFiles || reporting.told.settings != settings
                || reporting.told.isRetiring != reporting.isRetiring
        else { return }
        if reporting.told.link != link { reporting.told.since = now }
        reporting.told.link = link
        reporting.told.settings = settings
        reporting.told.isRetiring = reporting.isRetiring
        reporting.toldFiles = openFiles
        effects.list.append(.changed)
    }

    /// How the port stands with its server. While a lost connection is being made again, it stays lost.
    private var linkState: LinkState {
        switch link {
        case .up: .connected
        case .connecting, .opening, .lost: remote.isLost ? .lost : .connecting
        case .disconnecting: remote.isLost ? .lost : .disconnecting
        case .down: .idle
        }
    }

    package var state: PortState {
        var state = reporting.told
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
    /// The connection is held from start to end.
    package var holdsAlways: Bool { configuration.connect == .always }

    /// The port ends once no program has it open, and not while a close still waits for output.
    package mutating func retire() {
        beginEvent()
        if !isRetiring { log(.notice, "ends once no program has it open") }
        reporting.isRetiring = true
    }

    /// Takes `retire` back.
    /// - Returns: false if the port has retired already.
    package mutating func keep() -> Bool {
        beginEvent()
        guard !hasRetired else { return false }
        if isRetiring { log(.notice, "stays") }
        reporting.isRetiring = false
        return true
    }
}
