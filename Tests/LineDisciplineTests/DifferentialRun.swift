import Glibc
import LineDiscipline

/// One program through the kernel's line discipline and through ours.
enum DifferentialRun {
    typealias Observation = DisciplineUnderTest.Observation

    struct Difference {
        let step: DisciplineProgram.Step
        let index: Int
        let ours: Observation
        let kernels: Observation
    }

    /// Time for the kernel to reach the expected state, and the pause if no state shows that it has, both in
    /// microseconds.
    private typealias Patience = (deadline: Int, pause: Int)

    /// The kernel's worker may be late: only what differs with all of these does differ.
    private static let patience: [Patience] = [
        (50_000, 100), (300_000, 3000), (1_000_000, 20_000), (4_000_000, 200_000),
    ]

    /// - Parameter isThorough: false while a failing program is made smaller.
    /// - Returns: the first step after which the two differ in repeated runs; nil if they do not differ.
    static func difference(_ program: DisciplineProgram, isThorough: Bool = true) -> Difference? {
        var difference: Difference?
        for patience in isThorough ? patience[...] : patience[1...2] {
            difference = Self.difference(program, patience)
            if difference == nil { return nil }
        }
        return difference
    }

    private static func difference(_ program: DisciplineProgram, _ patience: Patience) -> Difference? {
        guard let pty = KernelPTY() else { fatalError("no pseudo-terminal") }
        var ours = DisciplineUnderTest()
        var before = Observation()
        for (index, step) in program.steps.enumerated() {
            for part in PTYExceptions.parts(step, ours) {
                let expected = ours.perform(part)
                let kernels = perform(part, pty, expected, before, patience)
                guard kernels == expected else {
                    return Difference(step: part, index: index, ours: expected, kernels: kernels)
                }
                before = expected
            }
        }
        return nil
    }

    /// Performs a step, and waits for the kernel's worker to have done what is expected of it.
    private static func perform(
        _ step: DisciplineProgram.Step, _ pty: KernelPTY, _ expected: Observation, _ before: Observation,
        _ patience: Patience
    ) -> Observation {
        var observation = pty.perform(step)
        guard observation.result == expected.result && observation.bytes == expected.bytes else { return observation }
        if mayPassUnseen(step, expected, before) { usleep(UInt32(patience.pause)) }
        var waited = 0
        while true {
            // In this order: the poll lets the kernel finish.
            (observation.isReadable, observation.isWritable) = pty.readiness
            observation.readableCount = pty.readableCount
            pty.takeOutput(&observation.output)
            let isWrong = !expected.output.starts(with: observation.output)
            if observation == expected || isWrong || waited >= patience.deadline { return observation }
            let pause = max(20, waited / 4)
            usleep(UInt32(pause))
            waited += pause
        }
    }

    /// Whether no change is visible when the kernel's worker has processed the received bytes. If there is no input
    /// before and after, poll(2) waits for the worker.
    private static func mayPassUnseen(
        _ step: DisciplineProgram.Step, _ expected: Observation, _ before: Observation
    ) -> Bool {
        switch step {
        case .receive, .read: break
        default: return false
        }
        return expected.output.isEmpty && before.isReadable && expected.isReadable
            && before.readableCount == expected.readableCount && before.isWritable == expected.isWritable
    }
}

extension KernelPTY {
    /// - Returns: the result of the call itself; the resulting state must be read after the kernel has finished.
    fileprivate func perform(_ step: DisciplineProgram.Step) -> DisciplineUnderTest.Observation {
        var observation = DisciplineUnderTest.Observation()
        switch step {
        case .set(let termios): observation.result = setTermios(termios)
        case .receive(let bytes): observation.result = receive(bytes)
        case .write(let bytes): observation.result = write(bytes)
        case .read(let limit): (observation.result, observation.bytes) = read(limit)
        case .flushInput: observation.result = flushInput()
        case .suspendOutput: observation.result = controlFlow(TCOOFF)
        case .resumeOutput: observation.result = controlFlow(TCOON)
        }
        return observation
    }
}

extension DifferentialRun.Difference: CustomStringConvertible {
    /// Only the differences, and of bytes only the part from the first difference on.
    var description: String {
        var lines = ["step \(index), \(step):"]
        func add(_ name: String, _ ours: String, _ kernels: String) {
            if ours != kernels { lines.append("    \(name): ours \(ours), the kernel's \(kernels)") }
        }
        func add(_ name: String, _ ours: [UInt8], _ kernels: [UInt8]) {
            let common = zip(ours, kernels).prefix { $0 == $1 }.count
            let start = max(common - 8, 0)
            add("\(name) from \(start) on", Self.excerpt(ours, start), Self.excerpt(kernels, start))
        }
        add("result", "\(ours.result)", "\(kernels.result)")
        add("bytes read", ours.bytes, kernels.bytes)
        add("output", ours.output, kernels.output)
        add("FIONREAD", "\(ours.readableCount)", "\(kernels.readableCount)")
        add("POLLIN", "\(ours.isReadable)", "\(kernels.isReadable)")
        add("POLLOUT", "\(ours.isWritable)", "\(kernels.isWritable)")
        return lines.joined(separator: "\n")
    }

    private static func excerpt(_ bytes: [UInt8], _ start: Int) -> String {
        "\(Array(bytes.dropFirst(start).prefix(40))) of \(bytes.count)"
    }
}
