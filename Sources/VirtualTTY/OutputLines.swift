import RFC2217
import SerialLine

/// DTR and RTS: the levels commanded by programs and by the port's own policy, and the levels sent to the server. The
/// server drives a line that was never commanded; the state of a line that this connection has not sent is unknown.
struct OutputLines: Sendable {
    /// The levels that were commanded. A line outside `commanded` reads as low.
    private(set) var levels: ModemLines = []
    /// The lines that were commanded at least once.
    private(set) var commanded: ModemLines = []
    /// The lines that were sent on this connection, and their levels.
    private var sent: ModemLines = []
    private var sentLevels: ModemLines = []

    static let all: ModemLines = [.dtr, .rts]

    /// Commands levels for the lines in `mask`.
    mutating func command(_ lines: ModemLines, mask: ModemLines = all) {
        let mask = mask.intersection(Self.all)
        commanded.formUnion(mask)
        levels = levels.subtracting(mask).union(lines.intersection(mask))
    }

    /// A new connection begins: the state of the server's lines is unknown.
    mutating func forgetSent() {
        sent = []
        sentLevels = []
    }

    /// Returns the commands that bring the server's lines to the commanded levels, and counts them as sent.
    mutating func takeCommands() -> [ComPortCommand] {
        let changed = commanded.intersection(levels.symmetricDifference(sentLevels).union(Self.all.subtracting(sent)))
        guard changed != [] else { return [] }
        sent.formUnion(changed)
        sentLevels = sentLevels.subtracting(changed).union(levels.intersection(changed))
        var commands: [ComPortCommand] = []
        if changed.contains(.dtr) { commands.append(.setControl(levels.contains(.dtr) ? .dtrOn : .dtrOff)) }
        if changed.contains(.rts) { commands.append(.setControl(levels.contains(.rts) ? .rtsOn : .rtsOff)) }
        return commands
    }
}
