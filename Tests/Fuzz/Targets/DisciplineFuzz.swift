import LineDiscipline
import SerialLine

/// The line discipline: settings, received bytes, reads and writes, with drivers that have little room. It never puts
/// out more than there is room for, or more than requested, and its memory is bounded. In raw mode every byte comes
/// out.
enum DisciplineFuzz {
    /// What a driver has queued at most.
    private static let mostRoom = 4096

    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            var feed = Feed(bytes)
            var run = Run(isRaw: feed.byte() & 3 == 0)
            for _ in 0..<400 where !feed.isEmpty { try run.step(&feed) }
            try run.end()
        }
    }

    private struct Run {
        private var discipline = LineDiscipline()
        private let isRaw: Bool
        /// Received, and not taken yet.
        private var waiting: [UInt8] = []
        private var lookedAhead = 0
        private var received: [UInt8] = []
        private var read: [UInt8] = []

        init(isRaw: Bool) {
            self.isRaw = isRaw
            guard isRaw else { return }
            var termios = Termios()
            termios.iflag = []
            termios.oflag = []
            termios.lflag = []
            var output = OutputBuffer(room: 0, roomWhenEmpty: 0)
            discipline.setTermios(termios, to: &output)
        }

        mutating func step(_ feed: inout Feed) throws(Violation) {
            let room = feed.pick([0, 1, 2, 7, 64, 255, 256, mostRoom])
            let stops = feed.byte() & 1 == 1
            var output = OutputBuffer(room: room, roomWhenEmpty: mostRoom, refusesWhileStopped: stops)
            switch feed.byte() % 12 {
            case 0 where !isRaw: discipline.setTermios(termios(&feed), to: &output)
            case 0, 1, 2, 3: try receive(feed.piece(), &output)
            case 4:
                // Long lines, which fill the queues.
                try receive([UInt8](repeating: feed.byte(), count: Int(feed.byte()) * 20), &output)
            case 5: try write(feed.piece(), &output)
            case 6, 7: try take(feed.pick([0, 1, 2, 63, 64, 65, 255, 4095, 8192]), &output)
            case 8: if !isRaw { flag(feed.byte(), feed.byte(), &output) }
            case 9: if !isRaw { flush() }
            case 10: if feed.byte() & 1 == 0 { discipline.suspendOutput() } else { discipline.resumeOutput() }
            default: discipline.processEchoes(to: &output)
            }
            let given = output.bytes.count
            let limit = output.flushesDriver ? mostRoom : room
            try Violation.unless(
                given <= limit && output.room >= 0, "\(given) bytes for a driver with room for \(limit)")
            try check()
        }

        private func check() throws(Violation) {
            let count = discipline.readableCount
            // n_tty's buffer has 4096 bytes, and a line end may stand for an end of file.
            try Violation.unless((0...4096).contains(count), "\(count) bytes to read")
            try Violation.unless(!discipline.isReadable || discipline.hasInput, "readable, and no input")
            try Violation.unless(discipline.readTiming.minimum >= 0, "a negative minimum")
        }

        private mutating func receive(_ bytes: [UInt8], _ output: inout OutputBuffer) throws(Violation) {
            guard waiting.count < 20_000 else { return }
            waiting += bytes
            received += bytes
            try takeWaiting(&output)
        }

        private mutating func takeWaiting(_ output: inout OutputBuffer) throws(Violation) {
            while !waiting.isEmpty {
                let offered = waiting
                let taken = discipline.receive(offered.span, from: 0, to: &output)
                try Violation.unless((0...offered.count).contains(taken), "took \(taken) of \(offered.count)")
                if taken < offered.count {
                    discipline.lookAhead(offered.span, max(lookedAhead, taken)..<offered.count, to: &output)
                }
                waiting.removeFirst(taken)
                lookedAhead = waiting.count
                if taken == 0 { return }
            }
        }

        private mutating func write(_ bytes: [UInt8], _ output: inout OutputBuffer) throws(Violation) {
            let start = bytes.isEmpty ? 0 : Int(bytes[0]) % bytes.count
            let count = discipline.write(bytes.span, from: start, to: &output)
            try Violation.unless((0...bytes.count - start).contains(count), "wrote \(count) of \(bytes.count - start)")
        }

        private mutating func take(_ limit: Int, _ output: inout OutputBuffer) throws(Violation) {
            let hadInput = discipline.hasInput
            let before = read.count
            let count = discipline.read(limit, to: &read)
            try Violation.unless(count == read.count - before && count <= limit, "read \(count) of \(limit)")
            try Violation.unless(hadInput || count == 0, "read \(count) bytes that are not there")
            try takeWaiting(&output)
        }

        private mutating func flag(_ kind: UInt8, _ byte: UInt8, _ output: inout OutputBuffer) {
            let flags: [ReceiveFlag] = [.breakCondition, .parity, .frame, .overrun, .normal]
            _ = discipline.receive(byte, flags[Int(kind) % flags.count], to: &output)
        }

        private mutating func flush() {
            waiting.removeAll()
            lookedAhead = 0
            discipline.flushInput()
        }

        private func termios(_ feed: inout Feed) -> Termios {
            var termios = Termios()
            termios.iflag = InputFlags(rawValue: feed.number() & 0xFFFF)
            termios.oflag = OutputFlags(rawValue: feed.number() & 0xFFFF)
            termios.lflag = LocalFlags(rawValue: feed.number() & 0x1FFFF)
            for _ in 0..<feed.byte() & 7 {
                let place = Int(feed.byte()) % Termios.controlCharacterCount
                let byte = feed.byte()
                if let character = ControlCharacter(rawValue: place) { termios[character] = byte }
            }
            return termios
        }

        /// In any settings, the remaining bytes can be read or flushed; in raw mode none is missing.
        mutating func end() throws(Violation) {
            var output = OutputBuffer(room: mostRoom, roomWhenEmpty: mostRoom)
            if isRaw {
                for _ in 0..<100 where discipline.hasInput { try take(8192, &output) }
                try Violation.unless(read == received, "\(read.count) raw bytes of \(received.count)")
            } else {
                flush()
            }
            try Violation.unless(!discipline.hasInput && discipline.readableCount == 0, "input that nothing takes")
        }
    }
}
