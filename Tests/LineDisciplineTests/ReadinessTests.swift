import LineDiscipline
import SerialLine
import TestSupport
import Testing

/// What makes a read ready (TTY-SPEC B.6), and the queue under it.
@Suite struct ReadinessTests {
    private func discipline(min: UInt8, time: UInt8, canonical: Bool = false) -> LineDiscipline {
        var termios = Termios()
        if !canonical {
            termios.iflag = []
            termios.lflag = []
        }
        termios[.VMIN] = min
        termios[.VTIME] = time
        return LineDiscipline(termios: termios)
    }

    private func receive(_ bytes: [UInt8], from start: Int = 0, _ discipline: inout LineDiscipline) -> Int {
        var output = OutputBuffer(room: 4096, roomWhenEmpty: 4096)
        return discipline.receive(bytes.span, from: start, to: &output)
    }

    /// input_available_p: MIN counts for poll(2) only without TIME, and nothing is never readable.
    @Test(
        arguments: [
            (0, 0, 1), (0, 5, 1), (1, 0, 1), (5, 0, 5), (255, 0, 255), (5, 1, 1), (255, 255, 1),
        ] as [(UInt8, UInt8, Int)])
    func pollThreshold(_ min: UInt8, _ time: UInt8, _ threshold: Int) {
        var discipline = discipline(min: min, time: time)
        _ = receive([UInt8](repeating: 1, count: threshold - 1), &discipline)
        #expect(!discipline.isReadable)
        _ = receive([1], &discipline)
        #expect(discipline.isReadable)
    }

    /// MIN and TIME as a read takes them when it begins.
    @Test(
        arguments: [
            (0, 0, ReadTiming(minimum: 1, firstByte: 0, betweenBytes: 0)),
            (0, 5, ReadTiming(minimum: 1, firstByte: 500_000_000, betweenBytes: 0)),
            (1, 0, ReadTiming(minimum: 1, firstByte: nil, betweenBytes: 0)),
            (5, 3, ReadTiming(minimum: 5, firstByte: nil, betweenBytes: 300_000_000)),
        ] as [(UInt8, UInt8, ReadTiming)])
    func timing(_ min: UInt8, _ time: UInt8, _ timing: ReadTiming) {
        #expect(discipline(min: min, time: time).readTiming == timing)
    }

    @Test func canonicalModeKnowsNeitherMinNorTime() {
        let discipline = discipline(min: 200, time: 200, canonical: true)
        #expect(discipline.readTiming == ReadTiming(minimum: 0, firstByte: nil, betweenBytes: 0))
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
        var output = OutputBuffer(room: 4096, roomWhenEmpty: 4096)
        discipline.setTermios(termios, to: &output)
        #expect(discipline.termios == termios)
        #expect(discipline.readableCount == 3)
        discipline.flushInput()
        #expect(discipline.readableCount == 0)
    }
}
