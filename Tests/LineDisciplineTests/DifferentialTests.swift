import Glibc
import LineDiscipline
import TestSupport
import Testing

/// The kernel is the oracle: the same random programs through a kernel pty and through our line discipline, every byte,
/// count and readiness compared after every step.
@Suite struct DifferentialTests {
    private static let share = 4

    @Test(arguments: 0..<share) func likeTheKernel(_ part: Int) {
        let count = getenv("TTYNVT_PROGRAMS").flatMap { Int(String(cString: $0)) } ?? 5000
        let first = getenv("TTYNVT_FIRST_PROGRAM").flatMap { Int(String(cString: $0)) } ?? 0
        for seed in stride(from: first + part, to: first + count, by: Self.share) {
            var generator = ProgramGenerator(seed: UInt64(seed))
            let program = generator.program()
            guard let difference = DifferentialRun.difference(program) else { continue }
            if getenv("TTYNVT_NOSHRINK") != nil { print(seed, difference); continue }
            report(program, seed)
            return
        }
    }

    private func report(_ program: DisciplineProgram, _ seed: Int) {
        var shrinker = ProgramShrinker(program) { DifferentialRun.difference($0, isThorough: false) != nil }
        shrinker.shrink()
        let difference = DifferentialRun.difference(shrinker.program).map { "\($0)" } ?? "(only now and then)"
        Issue.record("seed \(seed): \(shrinker.program)\n\(difference)")
    }
}
