import LineDiscipline
import Testing

/// What c_iflag makes of received bytes (TTY-SPEC B.1, B.2, F.5).
@Suite struct InputFlagTests {
    private func queued(_ received: String, _ iflag: InputFlags, _ lflag: LocalFlags = []) -> String? {
        var bench = DisciplineBench(iflag, [], lflag)
        bench.receive(received)
        return bench.read()
    }

    /// 82 and 83.
    @Test func eighthBitsAndMarks() {
        #expect(queued("\u{C1}\u{E9}", [.ISTRIP]) == "\u{41}\u{69}")
        #expect(queued("a\u{FF}b", [.PARMRK]) == "a\u{FF}\u{FF}b")
        #expect(queued("\u{FF}", [.ISTRIP, .PARMRK]) == "\u{7F}")
        #expect(queued("\u{FF}", []) == "\u{FF}")
    }

    /// 84.
    @Test(
        arguments: [
            ([], "a\nb\rc"), ([.INLCR], "a\rb\rc"), ([.ICRNL], "a\nb\nc"), ([.IGNCR], "a\nbc"),
            ([.IGNCR, .ICRNL], "a\nbc"), ([.INLCR, .ICRNL], "a\rb\nc"),
        ] as [(InputFlags, String)])
    func lineEnds(_ iflag: InputFlags, _ queued: String) {
        #expect(self.queued("a\nb\rc", iflag) == queued)
    }

    /// 85.
    @Test func lowerCase() {
        #expect(queued("ABC\u{C9}", [.IUCLC], [.IEXTEN]) == "abc\u{E9}")
        #expect(queued("ABC", [.IUCLC]) == "ABC")
    }

    /// 86.
    @Test func flowCharactersAreTakenOut() {
        #expect(queued("a\u{13}b\u{11}c", [.IXON]) == "abc")
        #expect(queued("a\u{13}b\u{11}c", []) == "a\u{13}b\u{11}c")
    }

    /// 87.
    @Test func signalCharacters() {
        #expect(queued("abc\u{3}d", [], [.ISIG]) == "d")
        #expect(queued("abc\u{1C}d", [], [.ISIG]) == "d")
        #expect(queued("abc\u{1A}d", [], [.ISIG]) == "d")
        #expect(queued("abc\u{3}d", [], [.ISIG, .NOFLSH]) == "abcd")
        #expect(queued("abc\u{3}d", []) == "abc\u{3}d")
    }

    /// A disabled character is ordinary.
    @Test func aDisabledCharacter() {
        var bench = DisciplineBench([.IXON], [], [.ISIG], [.VINTR: 0, .VSTOP: 0])
        bench.receive("a\0\u{3}\u{13}")
        #expect(bench.read() == "a\0\u{3}\u{13}")
    }

    /// Each byte may become three.
    @Test func marksTakeRoom() {
        var bench = DisciplineBench([.PARMRK])
        #expect(bench.receive(String(repeating: "\u{FF}", count: 5000)) < 4096)
        #expect(!bench.discipline.hasRoom)
        let queued = bench.read() ?? ""
        #expect(queued.unicodeScalars.count <= 4095 && queued.unicodeScalars.count.isMultiple(of: 2))
    }
}

/// Breaks, and bytes that came with errors (TTY-SPEC B.2): what no pty has.
@Suite struct LineErrorTests {
    private func queued(
        _ byte: UInt8, _ flag: ReceiveFlag, _ iflag: InputFlags, _ lflag: LocalFlags = []
    ) -> (before: String?, after: String?) {
        var bench = DisciplineBench(iflag, [], lflag)
        bench.receive("ab")
        bench.receive(byte, flag)
        bench.receive("d")
        let all = bench.read()
        return (bench.hasFlushedDriver ? nil : "ab", all)
    }

    /// 88.
    @Test(
        arguments: [
            ([.IGNBRK], "abd"), ([.IGNBRK, .BRKINT, .PARMRK], "abd"), ([], "ab\0d"), ([.PARMRK], "ab\u{FF}\0\0d"),
            ([.IGNPAR, .INPCK], "ab\0d"),
        ] as [(InputFlags, String)])
    func breaks(_ iflag: InputFlags, _ queued: String) {
        #expect(self.queued(0, .breakCondition, iflag) == ("ab", queued))
    }

    /// 88: no process receives the signal, but the queues are flushed.
    @Test func aBreakThatInterrupts() {
        #expect(queued(0, .breakCondition, [.BRKINT]) == (nil, "d"))
        #expect(queued(0, .breakCondition, [.BRKINT, .PARMRK]) == (nil, "d"))
        #expect(queued(0, .breakCondition, [.BRKINT], [.NOFLSH]) == ("ab", "abd"))
    }

    /// 89.
    @Test(
        arguments: [
            ([], "abcd"), ([.IGNPAR], "abcd"), ([.PARMRK], "abcd"), ([.INPCK, .IGNPAR], "abd"),
            ([.INPCK, .IGNPAR, .PARMRK], "abd"), ([.INPCK], "ab\0d"), ([.INPCK, .PARMRK], "ab\u{FF}\0cd"),
        ] as [(InputFlags, String)], [ReceiveFlag.parity, .frame])
    func wrongBytes(_ row: (iflag: InputFlags, queued: String), _ flag: ReceiveFlag) {
        #expect(queued(0x63, flag, row.iflag) == ("ab", row.queued))
    }

    /// The mark tells the byte 0xFF that came in order from the one that did not.
    @Test func theMarkItself() {
        #expect(queued(0xFF, .parity, [.INPCK, .PARMRK]) == ("ab", "ab\u{FF}\0\u{FF}d"))
        #expect(queued(0xFF, .normal, [.PARMRK]) == ("ab", "ab\u{FF}\u{FF}d"))
    }

    @Test func anOverrunIsNoByte() {
        #expect(queued(0x63, .overrun, [.PARMRK, .INPCK]) == ("ab", "abd"))
    }

    /// A byte that is wrong has no meaning: it ends no line, and is not echoed.
    @Test func inALine() {
        var bench = DisciplineBench([.INPCK, .PARMRK], [], [.ICANON, .ECHO, .IEXTEN])
        bench.receive("a\u{16}")
        bench.receive(0x0A, .parity)
        #expect(bench.read() == nil)
        bench.receive("\u{15}b\n")
        #expect(bench.read() == "b\n")
        #expect(bench.takeOutput().hasPrefix("a"))
    }

    /// A line that is too long takes no wrong bytes, though there is room for some of the three that each becomes.
    @Test func inALineThatIsTooLong() {
        var bench = DisciplineBench([.INPCK, .PARMRK], [], [.ICANON])
        bench.receive(String(repeating: "a", count: 4093))
        let isTaken = bench.receive(0x62, .parity)
        #expect(isTaken)
        bench.receive("\n")
        #expect(bench.read() == String(repeating: "a", count: 4093) + "\n")
    }

    /// A line that is complete keeps them waiting.
    @Test func whereThereIsNoRoom() {
        var bench = DisciplineBench([.INPCK], [], [.ICANON])
        bench.receive("line\n" + String(repeating: "a", count: 4090))
        let isTakenBesideALine = bench.receive(0x62, .parity)
        #expect(!isTakenBesideALine)
        #expect(bench.read() == "line\n")
        let isTakenAtLast = bench.receive(0x62, .parity)
        #expect(isTakenAtLast)
    }
}
