import LineDiscipline

/// Makes a failing program smaller as long as it still fails.
struct ProgramShrinker {
    private(set) var program: DisciplineProgram
    private let fails: (DisciplineProgram) -> Bool
    /// Programs that may still be tried.
    private var trials = 1000

    init(_ program: DisciplineProgram, fails: @escaping (DisciplineProgram) -> Bool) {
        self.program = program
        self.fails = fails
    }

    mutating func shrink() {
        while dropSteps() || shortenBytes() || simplifySettings() {}
    }

    private mutating func accept(_ steps: [DisciplineProgram.Step]) -> Bool {
        let candidate = DisciplineProgram(steps)
        guard trials > 0, steps != program.steps else { return false }
        trials -= 1
        guard fails(candidate) else { return false }
        program = candidate
        return true
    }

    private mutating func dropSteps() -> Bool {
        var hasShrunk = false
        var length = max(program.steps.count / 2, 1)
        while length > 0 {
            var start = 0
            while start < program.steps.count {
                var steps = program.steps
                steps.removeSubrange(start..<min(start + length, steps.count))
                if accept(steps) { hasShrunk = true } else { start += length }
            }
            length /= 2
        }
        return hasShrunk
    }

    private mutating func shortenBytes() -> Bool {
        var hasShrunk = false
        for index in program.steps.indices {
            guard let (bytes, make) = Self.bytes(program.steps[index]) else { continue }
            var left = bytes
            var length = max(left.count / 2, 1)
            while length > 0 {
                var start = 0
                while start < left.count {
                    var shorter = left
                    shorter.removeSubrange(start..<min(start + length, left.count))
                    if replace(index, make(shorter)) {
                        left = shorter
                        hasShrunk = true
                    } else {
                        start += length
                    }
                }
                length /= 2
            }
        }
        return hasShrunk
    }

    private static func bytes(
        _ step: DisciplineProgram.Step
    ) -> (bytes: [UInt8], make: ([UInt8]) -> DisciplineProgram.Step)? {
        switch step {
        case .receive(let bytes): (bytes, { .receive($0) })
        case .write(let bytes): (bytes, { .write($0) })
        default: nil
        }
    }

    private mutating func replace(_ index: Int, _ step: DisciplineProgram.Step) -> Bool {
        var steps = program.steps
        steps[index] = step
        return accept(steps)
    }

    private mutating func simplifySettings() -> Bool {
        var hasShrunk = false
        for index in program.steps.indices {
            guard case .set(let termios) = program.steps[index] else { continue }
            var current = termios
            for change in Self.simplifications {
                var simpler = current
                change(&simpler)
                guard simpler != current, replace(index, .set(simpler)) else { continue }
                current = simpler
                hasShrunk = true
            }
        }
        return hasShrunk
    }

    private static let simplifications: [@Sendable (inout Termios) -> Void] = {
        var changes: [@Sendable (inout Termios) -> Void] = []
        for bit in 0..<17 {
            let mask = UInt32(1) << UInt32(bit)
            changes.append { $0.iflag = InputFlags(rawValue: $0.iflag.rawValue & ~mask) }
            changes.append { $0.oflag = OutputFlags(rawValue: $0.oflag.rawValue & ~mask) }
            changes.append { $0.lflag = LocalFlags(rawValue: $0.lflag.rawValue & ~mask) }
        }
        for character in ControlCharacter.all { changes.append { $0[character] = Termios()[character] } }
        return changes
    }()
}
