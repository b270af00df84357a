import LineDiscipline
import TestSupport

/// Random programs: settings, bytes and calls weighted so that what N_TTY treats in a way of its own is frequent.
struct ProgramGenerator {
    private var random: SplitMix64
    private var termios = Termios()
    private var exceptions: PTYExceptions
    /// Is it about columns: what tabs are worth, and what erasing them takes?
    private let isAboutColumns: Bool
    /// Bytes that may still be received.
    private var budget: Int

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        exceptions = PTYExceptions(overflows: random.below(8) == 0)
        isAboutColumns = random.below(5) == 0
        budget = exceptions.overflows ? 12_000 : PTYExceptions.shortLine
    }

    mutating func program() -> DisciplineProgram {
        var steps: [DisciplineProgram.Step] = []
        if exceptions.overflows || !chance(10) { steps.append(.set(settings())) }
        for _ in 0..<(6 + random.below(35)) { steps.append(step()) }
        return DisciplineProgram(steps)
    }

    /// - Parameter percent: of the cases.
    private mutating func chance(_ percent: Int) -> Bool { random.below(100) < percent }

    private mutating func step() -> DisciplineProgram.Step {
        switch random.below(100) {
        case 0..<45: .receive(received())
        case 45..<65: .read(random.pick([0, 1, 2, 3, 5, 10, 63, 64, 65, 130, 1000, 4095, 4096, 8192]))
        case 65..<80: .write(written())
        case 80..<91: .set(settings())
        case 91..<93: .flushInput
        case 93..<96: exceptions.mayStop ? .suspendOutput : .flushInput
        default: .resumeOutput
        }
    }

    // Bytes.

    private mutating func received() -> [UInt8] {
        let isLong = exceptions.overflows && chance(35)
        let count = isLong ? 500 + random.below(1200) : chance(10) ? 20 + random.below(60) : random.below(13)
        let bytes = self.bytes(min(count, budget))
        budget -= bytes.count
        return bytes
    }

    private mutating func written() -> [UInt8] { bytes(chance(8) ? random.below(500) : random.below(20)) }

    private mutating func bytes(_ count: Int) -> [UInt8] {
        guard count < 100 || chance(50) else { return [UInt8](repeating: UInt8(0x41 + random.below(50)), count: count) }
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += piece() }
        return Array(bytes.prefix(count))
    }

    private mutating func piece() -> [UInt8] {
        if isAboutColumns && chance(65) {
            let erase = termios[.VERASE]
            return random.pick([
                [0x09], [0x09, erase], [0x09, erase], [0x0D], [0x0A], [0x08], [0x61], [0x62, 0x63], [0xC3, 0xA9], [1],
                [erase], [termios[.VWERASE]], [termios[.VKILL]], [0xDF], [0xFF],
            ])
        }
        return switch random.below(20) {
        case 0..<5: [termios[random.pick(ControlCharacter.special)]]
        case 5..<10: [UInt8(0x61 + random.below(26))]
        case 10: [UInt8(0x41 + random.below(26))]
        case 11: [random.pick([0x20, 0x20, 0x5F, 0x30])]
        case 12, 13: [0x0A]
        case 14: [random.pick([0x0D, 0x0D, 0x08])]
        case 15: [0x09]
        case 16: random.pick([[0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9D, 0x84, 0x9E], [0x80], [0xC3]])
        case 17: [random.pick([0xFF, 0xFF, 0, 0x7F])]
        case 18: [UInt8(random.below(32))]
        default: [random.byte()]
        }
    }

    // Settings.

    private mutating func settings() -> Termios {
        if chance(40) { change() } else { renew() }
        termios = exceptions.comparable(termios)
        return termios
    }

    /// Another value of one thing.
    private mutating func change() {
        switch random.below(4) {
        case 0: termios.iflag.formSymmetricDifference(inputFlags())
        case 1: termios.oflag.formSymmetricDifference(outputFlags())
        case 2:
            termios.lflag.formSymmetricDifference(
                random.pick([.ICANON, .ICANON, .ECHO, .ISIG, .ECHOCTL, .ECHOPRT, .ECHOE, .EXTPROC, .IEXTEN, .ECHONL]))
        default: changeCharacters()
        }
    }

    private mutating func renew() {
        termios = Termios()
        termios.iflag = inputFlags()
        termios.oflag = outputFlags()
        termios.lflag = localFlags()
        if chance(40) { changeCharacters() }
        if isAboutColumns {
            termios.oflag.insert(.OPOST)
            termios.lflag.formUnion([.ICANON, .ECHO, .ECHOE])
        }
    }

    private mutating func inputFlags() -> InputFlags {
        flags([
            (.ICRNL, 50), (.IXON, 45), (.IXANY, 30), (.ISTRIP, 12), (.IUCLC, 15), (.INLCR, 15), (.IGNCR, 12),
            (.PARMRK, 20), (.IUTF8, 40), (.IXOFF, 10), (.IGNBRK, 10), (.BRKINT, 10), (.IGNPAR, 10), (.INPCK, 10),
            (InputFlags(rawValue: 0x2000), 10),
        ])
    }

    private mutating func outputFlags() -> OutputFlags {
        flags([
            (.OPOST, 75), (.ONLCR, 50), (.OLCUC, 15), (.OCRNL, 20), (.ONOCR, 20), (.ONLRET, 20), (.TABDLY, 25),
            (OutputFlags(rawValue: 0x800), 5), (OutputFlags(rawValue: 0xE7C0), 5),
        ])
    }

    private mutating func localFlags() -> LocalFlags {
        flags([
            (.ICANON, 65), (.ECHO, 70), (.ECHOE, 65), (.ECHOK, 65), (.ECHONL, 25), (.ISIG, 40), (.NOFLSH, 30),
            (.ECHOCTL, 60), (.ECHOPRT, 20), (.ECHOKE, 60), (.IEXTEN, 80), (.EXTPROC, 5),
            (LocalFlags(rawValue: 0x5104), 5),
        ])
    }

    private mutating func flags<Flags: OptionSet>(_ weighted: [(Flags, Int)]) -> Flags where Flags.Element == Flags {
        var flags = Flags()
        for (flag, percent) in weighted where chance(percent) { flags.formUnion(flag) }
        return flags
    }

    private mutating func changeCharacters() {
        for character in ControlCharacter.special where chance(20) {
            let special = termios[random.pick(ControlCharacter.special)]
            termios[character] = random.pick([0, 0, special, 0x61, 0x62, 0x20, 0x0A, 0x0D, 0x09, 0xFF, random.byte()])
        }
        termios[.VMIN] = random.pick([0, 0, 1, 1, 1, 2, 5, 20, 64])
        termios[.VTIME] = random.pick([0, 0, 1, 5])
    }
}
