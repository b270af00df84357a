import LineDiscipline

/// What one program does with a port, and what its line does meanwhile. Its description is Swift: a failing one can be
/// pasted into `DifferentialTests` as it is printed.
struct DisciplineProgram: CustomStringConvertible {
    enum Step: Equatable {
        case set(Termios)
        case receive([UInt8])
        case write([UInt8])
        case read(Int)
        case flushInput
        case suspendOutput
        case resumeOutput
    }

    var steps: [Step]

    init(_ steps: [Step]) { self.steps = steps }

    var description: String {
        "DisciplineProgram([\n" + steps.map { "    \($0),\n" }.joined() + "])"
    }
}

extension DisciplineProgram.Step: CustomStringConvertible {
    var description: String {
        switch self {
        case .set(let termios): ".set(\(termios.difference))"
        case .receive(let bytes): ".receive(\(bytes.literal))"
        case .write(let bytes): ".write(\(bytes.literal))"
        case .read(let limit): ".read(\(limit))"
        case .flushInput: ".flushInput"
        case .suspendOutput: ".suspendOutput"
        case .resumeOutput: ".resumeOutput"
        }
    }

    /// Settings by their flags, and by the control characters that differ from the default.
    static func set(
        _ iflag: InputFlags, _ oflag: OutputFlags, _ lflag: LocalFlags, _ characters: [ControlCharacter: UInt8] = [:]
    ) -> Self {
        var termios = Termios()
        termios.iflag = iflag
        termios.oflag = oflag
        termios.lflag = lflag
        for (character, byte) in characters { termios[character] = byte }
        return .set(termios)
    }
}

extension ControlCharacter {
    static let special: [ControlCharacter] = [
        .VINTR, .VQUIT, .VERASE, .VKILL, .VEOF, .VSTART, .VSTOP, .VSUSP, .VEOL, .VREPRINT, .VWERASE, .VLNEXT, .VEOL2,
    ]
    static let all = special + [.VMIN, .VTIME]
}

extension Termios {
    private static let inputFlags: [(InputFlags, String)] = [
        (.IGNBRK, "IGNBRK"), (.BRKINT, "BRKINT"), (.IGNPAR, "IGNPAR"), (.PARMRK, "PARMRK"), (.INPCK, "INPCK"),
        (.ISTRIP, "ISTRIP"), (.INLCR, "INLCR"), (.IGNCR, "IGNCR"), (.ICRNL, "ICRNL"), (.IUCLC, "IUCLC"),
        (.IXON, "IXON"), (.IXANY, "IXANY"), (.IXOFF, "IXOFF"), (.IUTF8, "IUTF8"),
    ]
    private static let outputFlags: [(OutputFlags, String)] = [
        (.OPOST, "OPOST"), (.OLCUC, "OLCUC"), (.ONLCR, "ONLCR"), (.OCRNL, "OCRNL"), (.ONOCR, "ONOCR"),
        (.ONLRET, "ONLRET"), (.TABDLY, "TABDLY"),
    ]
    private static let localFlags: [(LocalFlags, String)] = [
        (.ISIG, "ISIG"), (.ICANON, "ICANON"), (.ECHO, "ECHO"), (.ECHOE, "ECHOE"), (.ECHOK, "ECHOK"),
        (.ECHONL, "ECHONL"), (.NOFLSH, "NOFLSH"), (.ECHOCTL, "ECHOCTL"), (.ECHOPRT, "ECHOPRT"), (.ECHOKE, "ECHOKE"),
        (.IEXTEN, "IEXTEN"), (.EXTPROC, "EXTPROC"),
    ]

    private static func names<Flags: OptionSet>(_ flags: Flags, _ table: [(Flags, String)]) -> String {
        "[" + table.filter { flags.isSuperset(of: $0.0) }.map { ".\($0.1)" }.joined(separator: ", ") + "]"
    }

    /// As the arguments of `DisciplineProgram.Step.set`.
    fileprivate var difference: String {
        let usual = Termios()
        let characters = ControlCharacter.all.filter { self[$0] != usual[$0] }
        let list = characters.map { ".\($0): \(self[$0])" }.joined(separator: ", ")
        return Self.names(iflag, Self.inputFlags) + ", " + Self.names(oflag, Self.outputFlags) + ", "
            + Self.names(lflag, Self.localFlags) + (characters.isEmpty ? "" : ", [\(list)]")
    }
}

extension [UInt8] {
    /// As Swift; text as text.
    fileprivate var literal: String {
        if let first, count > 16, allSatisfy({ $0 == first }) { return "[UInt8](repeating: \(first), count: \(count))" }
        guard !isEmpty, allSatisfy({ (0x20..<0x7F).contains($0) && $0 != 0x22 && $0 != 0x5C }) else {
            return "\(Array(self))"
        }
        return "Array(\"\(String(decoding: self, as: UTF8.self))\".utf8)"
    }
}
