import Glibc
import LineDiscipline
import TestSupport
import Testing

/// The kernel is the oracle: the same programs through a kernel pty and through our line discipline, every byte, count
/// and readiness compared after every step. `PTYExceptions` says what is left out.
@Suite struct DifferentialTests {
    private static let share = 4

    /// Random programs. A failing one is shown by its seed, and as small as it could be made.
    @Test(arguments: 0..<share) func randomPrograms(_ part: Int) {
        // The long run: make test-long.
        let programs = getenv("TTYNVT_PROGRAMS").flatMap { Int(String(cString: $0)) } ?? 5000
        for seed in stride(from: part, to: programs, by: Self.share) {
            var generator = ProgramGenerator(seed: UInt64(seed))
            let program = generator.program()
            guard DifferentialRun.difference(program) != nil else { continue }
            report(program, seed)
            return
        }
    }

    private func report(_ program: DisciplineProgram, _ seed: Int) {
        var shrinker = ProgramShrinker(program) { DifferentialRun.difference($0, isThorough: false) != nil }
        shrinker.shrink()
        let difference = DifferentialRun.difference(shrinker.program).map { "\($0)" } ?? "(not each time)"
        Issue.record("seed \(seed): \(shrinker.program)\n\(difference)")
    }

    /// Programs that once showed a difference, or that must always be included.
    @Test(arguments: knownPrograms.indices) func knownProgram(_ index: Int) {
        let difference = DifferentialRun.difference(Self.knownPrograms[index])
        #expect(difference == nil, "\(difference.map { "\($0)" } ?? "")")
    }

    private static let canonical: LocalFlags = [.ICANON, .ECHO, .ECHOE, .ECHOK, .ECHOCTL, .ECHOKE, .IEXTEN]

    private static let knownPrograms = [
        // Room that comes with other settings is used at the next read that takes something, not before.
        DisciplineProgram([
            .set([.PARMRK], [], []), .receive([UInt8](repeating: 0x61, count: 1400)),
            .receive([UInt8](repeating: 0x62, count: 1400)), .receive([UInt8](repeating: 0x63, count: 1400)),
            .receive([UInt8](repeating: 0x64, count: 100)), .set([], [], []), .read(0), .read(1), .read(8192), .read(1),
        ]),
        // A line longer than the queue: its end still comes in, in place of what did not fit.
        DisciplineProgram([
            .set([], [], [.ICANON]), .receive([UInt8](repeating: 0x61, count: 1700)),
            .receive([UInt8](repeating: 0x62, count: 1700)), .receive([UInt8](repeating: 0x63, count: 1700)),
            .receive(Array("X\n".utf8)), .receive(Array("next\n".utf8)), .read(8192), .read(8192), .read(1),
        ]),
        // An end of file is eaten with the last byte before it.
        DisciplineProgram([
            .set([], [], [.ICANON]), .receive(Array("abc\u{4}\u{4}d\u{4}".utf8)), .read(3), .read(3), .read(3),
            .read(3),
        ]),
        // A former line is raw input after the mode has changed, and the reverse.
        DisciplineProgram([
            .set([], [], canonical), .receive(Array("one\ntwo\u{4}three".utf8)), .set([], [], []), .read(5),
            .set([], [], canonical), .receive(Array("four\n".utf8)), .read(100), .read(100), .read(100),
        ]),
        // A tab is erased back to the beginning of the line, which a prompt has moved.
        DisciplineProgram([
            .set([], [.OPOST], canonical), .write(Array("abc: ".utf8)),
            .receive(Array("\t\u{7F}xy\t\u{7F}\u{15}".utf8)),
            .receive(Array("a\tb\t\u{7F}\u{7F}\u{7F}\n".utf8)), .read(100),
        ]),
        // Flow characters among bytes that wait for room act at once, and not again later.
        DisciplineProgram([
            .set([.IXON], [], []), .receive([UInt8](repeating: 0x61, count: 1700)),
            .receive([UInt8](repeating: 0x62, count: 1700)), .receive([UInt8](repeating: 0x63, count: 1000)),
            .receive([0x13, 0x64]), .write(Array("stopped".utf8)), .receive([0x11]), .write(Array("started".utf8)),
            .receive([0x13]), .resumeOutput, .read(4000), .write(Array("still stopped".utf8)), .read(8192),
        ]),
        // What a reprint echoes goes out all at once or not at all, where output is stopped right after it.
        DisciplineProgram([
            .set([.IXON], [], canonical), .receive([UInt8](repeating: 0x61, count: 70)), .suspendOutput,
            .receive([UInt8](repeating: 0x62, count: 20)), .resumeOutput, .receive([0x12, 0x12, 0x12, 0x12, 0x13]),
        ]),
        // Echoes wait while output is stopped; beyond the ring the oldest are dropped.
        DisciplineProgram([
            .set([.IXON], [.OPOST], [.ECHO, .ECHOCTL]), .suspendOutput, .receive([UInt8](repeating: 1, count: 1700)),
            .receive([UInt8](repeating: 2, count: 1700)), .resumeOutput, .write([]), .write([0x0A]),
        ]),
    ]
}
