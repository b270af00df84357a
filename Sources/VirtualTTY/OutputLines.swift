import RFC2217
import SerialLine

/// DTR and RTS: as commanded by programs and by the port's own policy, and as told to the server. A line that was never
/// commanded is the server's to drive; a line that this connection was not told of is in an unknown state.
struct OutputLines: Sendable {
    /// The levels that were commanded. A line outside `commanded` reads as low.
    private(set) var levels: ModemLines = []
    /// The lines that were commanded at least once.
    private(set) var commanded: ModemLines = []
    /// The lines this connection was told of, and their levels.
    private var told: ModemLines = []
    private var toldLevels: ModemLines = []

    static let all: ModemLines = [.dtr, .rts]

    /// Commands levels for the lines in `mask`.
    mutating func command(_ lines: ModemLines, mask: ModemLines = all) {
        let mask = mask.intersection(Self.all)
        commanded.formUnion(mask)
        levels = levels.subtracting(mask).union(lines.intersection(mask))
    }

    /// Nothing is known of the server's lines: a new connection.
    mutating func forgetTold() {
        told = []
        toldLevels = []
    }

    /// The commands that bring the server's lines to the commanded levels. They count as told.
    mutating func takeCommands() -> [ComPortCommand] {
        let changed = commanded.intersection(levels.symmetricDifference(toldLevels).union(Self.all.subtracting(told)))
        guard changed != [] else { return [] }
        told.formUnion(changed)
        toldLevels = toldLevels.subtracting(changed).union(levels.intersection(changed))
        var commands: [ComPortCommand] = []
        if changed.contains(.dtr) { commands.append(.setControl(levels.contains(.dtr) ? .dtrOn : .dtrOff)) }
        if changed.contains(.rts) { commands.append(.setControl(levels.contains(.rts) ? .rtsOn : .rtsOff)) }
        return commands
    }
}
