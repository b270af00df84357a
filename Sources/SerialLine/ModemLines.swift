/// The control lines of a serial port. Raw values are the kernel's TIOCM bits.
package struct ModemLines: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let dtr = ModemLines(rawValue: 0x002)
    package static let rts = ModemLines(rawValue: 0x004)
    package static let cts = ModemLines(rawValue: 0x020)
    package static let dcd = ModemLines(rawValue: 0x040)
    package static let ri = ModemLines(rawValue: 0x080)
    package static let dsr = ModemLines(rawValue: 0x100)
    /// Lines the far end drives.
    package static let inputs: ModemLines = [.cts, .dcd, .ri, .dsr]
}

extension ModemLines: CustomStringConvertible {
    private static let names: [(ModemLines, String)] = [
        (.dtr, "DTR"), (.rts, "RTS"), (.cts, "CTS"), (.dsr, "DSR"), (.dcd, "DCD"), (.ri, "RI"),
    ]

    /// The names of the raised lines, `DTR RTS CTS`; `none` if all are low.
    package var description: String {
        let raised = Self.names.filter { contains($0.0) }.map(\.1)
        return raised.isEmpty ? "none" : raised.joined(separator: " ")
    }

    /// Parses a `description`; nil if it contains another word.
    package init?(names text: some StringProtocol) {
        self = []
        guard text != "none" else { return }
        for word in text.split(separator: " ") {
            guard let line = Self.names.first(where: { $0.1 == word })?.0 else { return nil }
            insert(line)
        }
    }
}

/// NOTIFY-MODEMSTATE's byte (RFC 2217): levels in the high nibble, changes since the last report in the low.
package struct ModemState: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let dcd = ModemState(rawValue: 0x80)
    package static let ri = ModemState(rawValue: 0x40)
    package static let dsr = ModemState(rawValue: 0x20)
    package static let cts = ModemState(rawValue: 0x10)
    package static let deltaDCD = ModemState(rawValue: 0x08)
    package static let trailingRI = ModemState(rawValue: 0x04)
    package static let deltaDSR = ModemState(rawValue: 0x02)
    package static let deltaCTS = ModemState(rawValue: 0x01)

    private static let levels: [(ModemState, ModemLines)] = [(.dcd, .dcd), (.ri, .ri), (.dsr, .dsr), (.cts, .cts)]

    /// The state with `lines` as levels, and with the changes since `previous`.
    package init(lines: ModemLines, previous: ModemLines) {
        var state: ModemState = []
        for (bit, line) in Self.levels where lines.contains(line) { state.insert(bit) }
        let changed = lines.symmetricDifference(previous)
        if changed.contains(.dcd) { state.insert(.deltaDCD) }
        if changed.contains(.dsr) { state.insert(.deltaDSR) }
        if changed.contains(.cts) { state.insert(.deltaCTS) }
        // RI counts only on its trailing edge.
        if changed.contains(.ri) && !lines.contains(.ri) { state.insert(.trailingRI) }
        self = state
    }

    /// The raised lines.
    package var lines: ModemLines {
        var lines: ModemLines = []
        for (bit, line) in Self.levels where contains(bit) { lines.insert(line) }
        return lines
    }
}

/// NOTIFY-LINESTATE's byte (RFC 2217).
package struct LineState: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let dataReady = LineState(rawValue: 1)
    package static let overrun = LineState(rawValue: 2)
    package static let parity = LineState(rawValue: 4)
    package static let framing = LineState(rawValue: 8)
    package static let breakDetected = LineState(rawValue: 16)
    package static let transmitHoldingEmpty = LineState(rawValue: 32)
    package static let transmitShiftEmpty = LineState(rawValue: 64)
    package static let timeout = LineState(rawValue: 128)
    /// Receive errors and breaks.
    package static let errors: LineState = [.overrun, .parity, .framing, .breakDetected]
}

/// The counters of TIOCGICOUNT, since the port was created; never reset.
package struct LineCounters: Equatable, Sendable {
    package var cts: UInt32 = 0
    package var dsr: UInt32 = 0
    package var ri: UInt32 = 0
    package var dcd: UInt32 = 0
    /// Bytes received and transmitted; the kernel's structure has the lower 32 bits.
    package var received: UInt64 = 0
    package var transmitted: UInt64 = 0
    package var framing: UInt32 = 0
    package var overrun: UInt32 = 0
    package var parity: UInt32 = 0
    package var breaks: UInt32 = 0
    package var bufferOverrun: UInt32 = 0

    package init() {}

    /// Counts changes of lines as the kernel does: every edge, except that RI counts only on the trailing one.
    package mutating func count(change from: ModemLines, to: ModemLines) {
        let changed = from.symmetricDifference(to)
        if changed.contains(.cts) { cts &+= 1 }
        if changed.contains(.dsr) { dsr &+= 1 }
        if changed.contains(.dcd) { dcd &+= 1 }
        if changed.contains(.ri) && !to.contains(.ri) { ri &+= 1 }
    }

    /// Counts the errors one line state reports.
    package mutating func count(_ state: LineState) {
        if state.contains(.framing) { framing &+= 1 }
        if state.contains(.overrun) { overrun &+= 1 }
        if state.contains(.parity) { parity &+= 1 }
        if state.contains(.breakDetected) { breaks &+= 1 }
    }
}
