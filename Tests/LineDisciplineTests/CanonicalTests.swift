import LineDiscipline
import Testing

/// Lines, and how they are edited (TTY-SPEC B.4, F.4).
@Suite struct CanonicalTests {
    private func bench(
        _ iflag: InputFlags = [], _ lflag: LocalFlags = [.IEXTEN], _ characters: [ControlCharacter: UInt8] = [:]
    ) -> DisciplineBench {
        DisciplineBench(iflag, [], lflag.union(.ICANON), characters)
    }

    /// 61 and 62.
    @Test func aReadEndsWithItsLine() {
        var bench = bench()
        bench.receive("hello\nwor")
        #expect(bench.discipline.readableCount == 6)
        #expect(bench.read(3) == "hel")
        #expect(bench.read() == "lo\n")
        #expect(bench.discipline.readableCount == 0)
        #expect(bench.read() == nil)
        bench.receive("ld\u{4}")
        #expect(bench.discipline.readableCount == 5)
        #expect(bench.read() == "world")
    }

    /// 63 and 64.
    @Test func endsOfFile() {
        var bench = bench()
        bench.receive("\u{4}")
        #expect(bench.discipline.isReadable && bench.discipline.readableCount == 0)
        #expect(bench.read() == "")
        #expect(!bench.discipline.isReadable)
        bench.receive("abc\u{4}")
        #expect(bench.read(3) == "abc")
        #expect(bench.read() == nil)
    }

    /// 65 and 66.
    @Test func linesOneByOne() {
        var bench = bench()
        bench.receive("l1\nl2\na\0b\n")
        #expect(bench.read() == "l1\n")
        #expect(bench.read() == "l2\n")
        #expect(bench.read() == "a\0b\n")
        #expect(bench.read() == nil)
    }

    /// 67 to 70.
    @Test(
        arguments: [
            ("a\u{16}\u{4}b\n", "a\u{4}b\n"), ("abc def\u{17}gh\u{7F}\n", "abc g\n"), ("abc\u{15}x\n", "x\n"),
            ("one_2 .\u{17}x\n", "x\n"), ("a\u{7F}\u{7F}\u{7F}b\n", "b\n"), ("old\n\u{15}\u{7F}\n", "old\n"),
        ])
    func editing(_ received: String, _ line: String) {
        var bench = bench()
        bench.receive(received)
        #expect(bench.read() == line)
    }

    /// 70.
    @Test func otherEndsOfLines() {
        var withVEOL = bench([], [], [.VEOL: 0x3B])
        withVEOL.receive("ab;cd\n")
        #expect(withVEOL.read() == "ab;")
        #expect(withVEOL.read() == "cd\n")
        var withVEOL2 = bench([], [.IEXTEN], [.VEOL2: 0x3B])
        withVEOL2.receive("ab;cd\n")
        #expect(withVEOL2.read() == "ab;")
        var withoutIEXTEN = bench([], [], [.VEOL2: 0x3B])
        withoutIEXTEN.receive("ab;cd\n")
        #expect(withoutIEXTEN.read() == "ab;cd\n")
    }

    /// 79.
    @Test func aCharacterOfSeveralBytesIsErasedWhole() {
        var whole = bench([.IUTF8])
        whole.receive("a\u{C3}\u{A9}\u{7F}\n")
        #expect(whole.read() == "a\n")
        var half = bench()
        half.receive("a\u{C3}\u{A9}\u{7F}\n")
        #expect(half.read() == "a\u{C3}\n")
    }

    /// 71: what does not fit takes the place of the byte before; the line's end still comes in.
    @Test func theLongestLine() {
        var bench = bench()
        #expect(bench.receive(String(repeating: "a", count: 5000) + "X\n") == 5002)
        #expect(bench.discipline.readableCount == 4096)
        #expect(bench.read() == String(repeating: "a", count: 4095) + "\n")
        #expect(bench.read() == nil)
    }

    /// If a line is complete, bytes that do not fit wait.
    @Test func aFullQueueWithALineInIt() {
        var bench = bench()
        #expect(bench.receive("line\n" + String(repeating: "a", count: 5000)) == 4095)
        #expect(!bench.discipline.hasRoom)
        #expect(bench.receive("a") == 0)
        #expect(bench.read() == "line\n")
        #expect(bench.discipline.hasRoom)
        #expect(bench.receive("aaaaaa") == 6)
    }

    /// 72 and 73.
    @Test func whatIsPendingBecomesOneLine() {
        var bench = DisciplineBench()
        bench.receive("a\nb\nc")
        bench.set { $0.lflag.insert(.ICANON) }
        bench.receive("d\n")
        #expect(bench.read() == "a\nb\nc")
        #expect(bench.read() == "d\n")
    }

    /// 74.
    @Test func linesBecomeBytes() {
        var bench = bench()
        bench.receive("line\nabc")
        bench.set { $0.lflag.remove(.ICANON) }
        #expect(bench.read() == "line\nabc")
        bench.set { $0.lflag.insert(.ICANON) }
        bench.receive("abc\u{4}")
        bench.set { $0.lflag.remove(.ICANON) }
        #expect(bench.read() == "abc\0")
    }

    /// 90: the far end edits; only an end of file that comes alone is one.
    @Test func externalProcessing() {
        var bench = bench([], [.EXTPROC, .ECHO, .ISIG, .IEXTEN])
        bench.receive("a\u{7F}\u{3}\n")
        #expect(bench.read() == "a\u{7F}\u{3}\n")
        bench.receive("\u{4}")
        #expect(bench.read() == "")
        #expect(bench.takeOutput() == "")
    }

    /// Bytes that did not fit cannot be read, in any mode.
    @Test(arguments: [LocalFlags.ICANON, []]) func externalProcessingWithoutRoom(_ mode: LocalFlags) {
        var bench = bench([], [.EXTPROC])
        #expect(bench.receive(String(repeating: "a", count: 5000)) == 5000)
        #expect(bench.discipline.readableCount == 4095)
        #expect(bench.read() == String(repeating: "a", count: 4095))
        #expect(bench.discipline.readableCount == 0)
        bench.set { $0.lflag = mode }
        #expect(bench.read() == nil)
        bench.receive("b\n")
        #expect(bench.read() == "b\n")
    }

    /// One byte may expand to several, but no read returns more than the queue holds.
    @Test func marksInALineThatIsTooLong() {
        var bench = bench([.PARMRK])
        #expect(bench.receive(String(repeating: "\u{FF}", count: 10_000)) == 10_000)
        for _ in 0..<5000 { bench.receive(0, .breakCondition) }
        bench.receive("\n")
        #expect(bench.discipline.readableCount == 4096)
        #expect(bench.read(100_000)?.unicodeScalars.count == 4096)
        #expect(bench.read() == nil)
        bench.receive(String(repeating: "\u{FF}", count: 10_000))
        bench.set { $0.lflag.remove(.ICANON) }
        #expect(bench.read(100_000)?.unicodeScalars.count == 4095)
        #expect(bench.discipline.readableCount == 0)
    }

    /// 57: without ICANON nothing of this is special.
    @Test func bytesWithoutLines() {
        var bench = DisciplineBench([], [], [.IEXTEN])
        bench.receive("\u{4}\u{7F}\u{15}\u{16}\u{17}\n")
        #expect(bench.read() == "\u{4}\u{7F}\u{15}\u{16}\u{17}\n")
    }

    @Test func aFlushDropsWhatIsUnread() {
        var bench = bench()
        bench.receive("one\ntwo")
        bench.discipline.flushInput()
        #expect(!bench.discipline.isReadable && bench.discipline.readableCount == 0)
        bench.receive("three\n")
        #expect(bench.read() == "three\n")
    }

    @Test func afterTheLastCloseNothingIsLeft() {
        var bench = DisciplineBench([.IXON], [.OPOST, .TABDLY], [.ICANON, .IEXTEN])
        bench.write("abc")
        bench.receive("one\ntwo\u{13}\u{16}")
        let settings = bench.discipline.termios
        bench.discipline.reset()
        #expect(bench.discipline.termios == settings)
        #expect(!bench.discipline.isReadable && !bench.discipline.isOutputStopped)
        bench.write("\t")
        #expect(bench.takeOutput() == "abc        ")
        bench.receive("\u{4}")
        #expect(bench.read() == "")
    }
}
