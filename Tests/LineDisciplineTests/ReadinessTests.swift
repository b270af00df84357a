import LineDiscipline
import SerialLine
import TestSupport
import Testing

/// What makes a read ready (TTY-SPEC B.6), and the queue under it.
@Suite struct ReadinessTests {
    private func discipline(min: UInt8, time: UInt8, canonical: Bool = false) -> LineDiscipline {
        var termios = Termios()
        if !canonical { termios.lflag.remove(.ICANON) }
        termios[.VMIN] = min
        termios[.VTIME] = time
        return LineDiscipline(termios: termios)
    }

    private func receive(_ bytes: [UInt8], from start: Int = 0, _ discipline: inout LineDiscipline) -> Int {
        discipline.receive(bytes.span, from: start)
    }

    /// input_available_p: MIN counts for poll(2) only without TIME, and nothing is never readable.
    @Test(
        arguments: [
            (0, 0, 1), (0, 5, 1), (1, 0, 1), (5, 0, 5), (255, 0, 255), (5, 1, 1), (255, 255, 1),
        ] as [(UInt8, UInt8, Int)])
    func pollThreshold(_ min: UInt8, _ time: UInt8, _ threshold: Int) {
        let discipline = discipline(min: min, time: time)
        #expect(!discipline.isReadable(available: threshold - 1))
        #expect(discipline.isReadable(available: threshold))
        #expect(discipline.isReadable(available: 4095))
        #expect(discipline.minimum == Int(min))
        #expect(discipline.timeNanoseconds == UInt64(time) * 100_000_000)
    }

    @Test func canonicalModeKnowsNeitherMinNorTime() {
        let discipline = discipline(min: 200, time: 200, canonical: true)
        #expect(discipline.minimum == 1)
        #expect(discipline.timeNanoseconds == 0)
    }

    /// F.3, 55: 4095 bytes are there at once, the rest waits upstream.
    @Test func takesFourThousandAndNinetyFive() {
        var discipline = discipline(min: 1, time: 0)
        var random = SplitMix64(seed: 55)
        let bytes = random.bytes(5000)
        #expect(receive(bytes, &discipline) == 4095)
        #expect(!discipline.hasRoom)
        #expect(receive(bytes, from: 4095, &discipline) == 0)
        var read: [UInt8] = []
        #expect(discipline.read(100, to: &read) == 100)
        #expect(receive(bytes, from: 4095, &discipline) == 100)
        #expect(discipline.readableCount == 4095)
        #expect(discipline.read(8192, to: &read) == 4095)
        #expect(read == Array(bytes[..<4195]))
        #expect(discipline.readableCount == 0 && discipline.hasRoom)
    }

    @Test func newSettingsKeepTheQueue() {
        var discipline = discipline(min: 10, time: 0)
        #expect(receive([1, 2, 3], &discipline) == 3)
        var termios = discipline.termios
        termios[.VMIN] = 1
        discipline.setTermios(termios)
        #expect(discipline.termios == termios)
        #expect(discipline.readableCount == 3)
        discipline.flushInput()
        #expect(discipline.readableCount == 0)
    }
}
