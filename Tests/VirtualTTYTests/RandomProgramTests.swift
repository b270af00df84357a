import Glibc
import Testing

/// Twenty thousand programs of opens, reads, writes, ioctls, polls, signals, server events and time.
@Suite struct RandomProgramTests {
    private static let chunks = 20

    /// Programs in all. A sanitizer is content with fewer: TTYNVT_PROGRAMS says how many.
    private static var programs: Int {
        getenv("TTYNVT_PROGRAMS").flatMap { Int(String(cString: $0)) } ?? 20_000
    }

    @Test(arguments: 0..<chunks) func everyProgramEnds(_ chunk: Int) {
        let count = Self.programs / Self.chunks
        for index in 0..<count {
            let program = RandomProgram(seed: UInt64(chunk * 1_000_000 + index))
            program.run(steps: 40)
            if program.port.failure != nil { return }
        }
    }
}
