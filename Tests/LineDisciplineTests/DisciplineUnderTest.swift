import Glibc
import LineDiscipline

/// Our line discipline below the same calls as `KernelPTY`: non-blocking reads and writes, and a driver that keeps
/// what there is no room for (the tty layer's flip buffer).
struct DisciplineUnderTest {
    /// More than any step puts out.
    private static let outputRoom = 1 << 20

    private(set) var discipline = LineDiscipline()
    /// Received, but there was no room.
    private(set) var waiting: [UInt8] = []
    /// So many of the waiting bytes have been looked at ahead of their time.
    private var lookedAhead = 0

    /// What a step returned and did, and how things stand after it.
    struct Observation: Equatable {
        var result = 0
        var bytes: [UInt8] = []
        var output: [UInt8] = []
        var readableCount = 0
        var isReadable = false
        var isWritable = true
    }

    mutating func perform(_ step: DisciplineProgram.Step) -> Observation {
        var observation = Observation()
        var output = OutputBuffer(
            room: Self.outputRoom, roomWhenEmpty: Self.outputRoom, refusesWhileStopped: true)
        switch step {
        case .set(let termios): discipline.setTermios(termios, to: &output)
        case .receive(let bytes):
            waiting += bytes
            observation.result = bytes.count
            takeWaiting(to: &output)
        case .write(let bytes): observation.result = write(bytes, to: &output)
        case .read(let limit): observation.result = read(limit, &observation.bytes, to: &output)
        case .flushInput:
            waiting.removeAll()
            lookedAhead = 0
            discipline.flushInput()
        case .suspendOutput: discipline.suspendOutput()
        case .resumeOutput: discipline.resumeOutput()
        }
        observation.output = output.bytes
        observation.readableCount = discipline.readableCount
        observation.isReadable = discipline.isReadable
        observation.isWritable = !discipline.isOutputStopped
        return observation
    }

    private mutating func write(_ bytes: [UInt8], to output: inout OutputBuffer) -> Int {
        discipline.processEchoes(to: &output)
        let count = discipline.write(bytes.span, from: 0, to: &output)
        return count > 0 || bytes.isEmpty ? count : -Int(EAGAIN)
    }

    /// n_tty_read of a file that is non-blocking. VMIN = VTIME = 0 is answered at once even so, and with nothing.
    private mutating func read(_ limit: Int, _ bytes: inout [UInt8], to output: inout OutputBuffer) -> Int {
        guard limit > 0 else { return 0 }
        guard discipline.hasInput else { return discipline.readTiming.firstByte == 0 ? 0 : -Int(EAGAIN) }
        let count = discipline.read(limit, to: &bytes)
        takeWaiting(to: &output)
        return count
    }

    /// flush_to_ldisc: as many as there is room for, then a look at the others.
    private mutating func takeWaiting(to output: inout OutputBuffer) {
        var taken = 0
        repeat {
            let offered = waiting
            taken = discipline.receive(offered.span, from: 0, to: &output)
            if taken < offered.count {
                discipline.lookAhead(offered.span, max(lookedAhead, taken)..<offered.count, to: &output)
            }
            waiting.removeFirst(taken)
            lookedAhead = waiting.count
        } while taken > 0 && !waiting.isEmpty
    }
}
