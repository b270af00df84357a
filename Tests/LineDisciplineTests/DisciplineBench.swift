import LineDiscipline

/// Our line discipline between a line and a program, in text: a character is a byte (Latin-1).
struct DisciplineBench {
    var discipline: LineDiscipline
    /// How many more bytes the driver takes.
    var room: Int
    /// What the driver has been given.
    private(set) var output = ""
    /// Has the driver been told to drop what it had?
    private(set) var hasFlushedDriver = false

    init(
        _ iflag: InputFlags = [], _ oflag: OutputFlags = [], _ lflag: LocalFlags = [],
        _ characters: [ControlCharacter: UInt8] = [:], room: Int = 1 << 16
    ) {
        self.room = room
        var termios = Termios()
        termios.iflag = iflag
        termios.oflag = oflag
        termios.lflag = lflag
        for (character, byte) in characters { termios[character] = byte }
        discipline = LineDiscipline(termios: termios)
    }

    /// - Returns: how many were taken.
    @discardableResult mutating func receive(_ text: String) -> Int {
        let bytes = text.latin1
        return withOutput { $0.receive(bytes.span, from: 0, to: &$1) }
    }

    /// A byte that came with something else than itself.
    @discardableResult mutating func receive(_ byte: UInt8, _ flag: ReceiveFlag) -> Bool {
        withOutput { $0.receive(byte, flag, to: &$1) }
    }

    mutating func lookAhead(_ text: String) {
        let bytes = text.latin1
        withOutput { $0.lookAhead(bytes.span, 0..<bytes.count, to: &$1) }
    }

    mutating func receiveClosing(_ text: String) {
        let bytes = text.latin1
        withOutput { $0.receiveClosing(bytes.span, 0..<bytes.count, to: &$1) }
    }

    /// - Returns: how many were taken.
    @discardableResult mutating func write(_ text: String) -> Int {
        let bytes = text.latin1
        return withOutput {
            $0.processEchoes(to: &$1)
            return $0.write(bytes.span, from: 0, to: &$1)
        }
    }

    /// nil if a read would wait.
    mutating func read(_ limit: Int = 8192) -> String? {
        guard discipline.hasInput else { return nil }
        var bytes: [UInt8] = []
        _ = discipline.read(limit, to: &bytes)
        return String(latin1: bytes)
    }

    mutating func set(_ change: (inout Termios) -> Void) {
        var termios = discipline.termios
        change(&termios)
        withOutput { $0.setTermios(termios, to: &$1) }
    }

    /// What the driver has been given since it was last asked.
    mutating func takeOutput() -> String {
        defer { output = "" }
        return output
    }

    private mutating func withOutput<Result>(
        _ body: (inout LineDiscipline, inout OutputBuffer) -> Result
    ) -> Result {
        var buffer = OutputBuffer(room: room, roomWhenEmpty: room)
        let result = body(&discipline, &buffer)
        if buffer.flushesDriver { hasFlushedDriver = true }
        output += String(latin1: buffer.bytes)
        room = buffer.room
        return result
    }
}

extension String {
    /// Its characters as bytes.
    var latin1: [UInt8] { unicodeScalars.map { UInt8($0.value) } }

    init(latin1 bytes: [UInt8]) {
        self = ""
        for byte in bytes { unicodeScalars.append(Unicode.Scalar(byte)) }
    }
}
