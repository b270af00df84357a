import SerialLine
import Testing

@Suite struct ModemStateTests {
    /// Every set of the lines the far end drives.
    static let allInputs: [ModemLines] = (0..<16).map { bits in
        var lines: ModemLines = []
        for (place, line) in [ModemLines.cts, .dsr, .ri, .dcd].enumerated() where bits & (1 << place) != 0 {
            lines.insert(line)
        }
        return lines
    }

    struct Change: Sendable {
        let lines: ModemLines
        let previous: ModemLines
        let byte: UInt8
    }

    /// The byte of RFC 2217's table, one line at a time: risen, fallen, steady.
    static let changes: [Change] = [
        Change(lines: .dcd, previous: [], byte: 0x88),
        Change(lines: [], previous: .dcd, byte: 0x08),
        Change(lines: .dcd, previous: .dcd, byte: 0x80),
        Change(lines: .ri, previous: [], byte: 0x40),
        Change(lines: [], previous: .ri, byte: 0x04),
        Change(lines: .ri, previous: .ri, byte: 0x40),
        Change(lines: .dsr, previous: [], byte: 0x22),
        Change(lines: [], previous: .dsr, byte: 0x02),
        Change(lines: .dsr, previous: .dsr, byte: 0x20),
        Change(lines: .cts, previous: [], byte: 0x11),
        Change(lines: [], previous: .cts, byte: 0x01),
        Change(lines: .cts, previous: .cts, byte: 0x10),
        Change(lines: [], previous: [], byte: 0x00),
        Change(lines: [.dtr, .rts], previous: [], byte: 0x00),
        Change(lines: [], previous: [.dtr, .rts], byte: 0x00),
        Change(lines: [.dcd, .cts], previous: [.ri, .dsr, .cts], byte: 0x9E),
    ]

    @Test(arguments: changes) func byte(_ change: Change) {
        #expect(ModemState(lines: change.lines, previous: change.previous).rawValue == change.byte)
    }

    /// The high nibble contains the levels, whatever the state before; the low nibble has a delta for each changed
    /// level, except that RI has one only if the line fell.
    @Test func everyChange() {
        for lines in Self.allInputs {
            for previous in Self.allInputs {
                let byte = ModemState(lines: lines, previous: previous).rawValue
                let before = ModemState(lines: previous, previous: previous).rawValue
                let differing = (byte ^ before) >> 4
                let fallen = ~byte & before & 0x40
                let expected = (differing & 0b1011) | (fallen >> 4)
                #expect(byte & 15 == expected, "\(previous) to \(lines)")
                #expect(ModemState(rawValue: byte).lines == lines)
            }
        }
    }

    @Test func deltasAreNoLevels() {
        #expect(ModemState(rawValue: 0x0F).lines == [])
        #expect(ModemState(rawValue: 0xFF).lines == ModemLines.inputs)
    }

    /// The raw values are the kernel's TIOCM bits (asm-generic/termios.h).
    @Test func kernelBits() {
        let lines: [ModemLines] = [.dtr, .rts, .cts, .dcd, .ri, .dsr]
        #expect(lines.map(\.rawValue) == [0x002, 0x004, 0x020, 0x040, 0x080, 0x100])
        #expect(ModemLines.inputs == [.cts, .dcd, .ri, .dsr])
    }

    @Test func description() {
        #expect(ModemLines([]).description == "none")
        #expect(ModemLines.rts.description == "RTS")
        #expect(ModemLines([.ri, .dcd, .dsr, .cts, .rts, .dtr]).description == "DTR RTS CTS DSR DCD RI")
    }
}
