import Glibc
import Testing

/// Events in every order: schedules of programs, threads, network and server, drawn from seeds.
@Suite struct ScheduleTests {
    private static let chunks = 20
    private static let steps = 60

    /// Schedules in all; TTYNVT_SCHEDULES says another number.
    private static var schedules: Int {
        getenv("TTYNVT_SCHEDULES").flatMap { Int(String(cString: $0)) } ?? 20_000
    }

    @Test(arguments: 0..<chunks) func schedules(_ chunk: Int) {
        for index in 0..<Self.schedules / Self.chunks {
            let seed = UInt64(chunk * 100_000_000 + index)
            let world = World(Tape(seed: seed))
            world.run(steps: Self.steps)
            if let failure = world.failure {
                Issue.record("seed \(seed): \(failure)\n\(Self.shortest(world.tape.choices, failure))")
                return
            }
        }
    }

    /// Plays one schedule again: TTYNVT_SEED names it.
    @Test func replay() {
        guard let text = getenv("TTYNVT_SEED"), let seed = UInt64(String(cString: text)) else { return }
        let world = World(Tape(seed: seed))
        world.keepsSteps = true
        world.run(steps: Self.steps)
        print(world.steps.joined(separator: "\n"))
        if let failure = world.failure { Issue.record("seed \(seed): \(failure)") }
    }

    /// The steps of the shortest schedule found that fails.
    private static func shortest(_ choices: [UInt32], _ failure: String) -> String {
        // Another failure is not the one looked for: the first words tell.
        let words = failure.prefix(16)
        let short = shrink(choices) { candidate in
            let world = World(Tape(replaying: candidate))
            world.run(steps: Self.steps)
            return world.failure?.hasPrefix(words) == true
        }
        let world = World(Tape(replaying: short))
        world.keepsSteps = true
        world.run(steps: Self.steps)
        return "\(world.failure ?? "no failure"), shrunk to \(short.count) choices:\n"
            + world.steps.joined(separator: "\n")
    }
}
