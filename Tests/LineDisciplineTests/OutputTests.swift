import LineDiscipline
import Testing

/// What c_oflag makes of written bytes (TTY-SPEC B.3, F.6).
@Suite struct OutputTests {
    private func output(_ written: String, _ oflag: OutputFlags, _ iflag: InputFlags = []) -> String {
        var bench = DisciplineBench(iflag, oflag)
        #expect(bench.write(written) == written.unicodeScalars.count)
        return bench.takeOutput()
    }

    /// 91 to 93.
    @Test(
        arguments: [
            ([.ONLCR], "a\nb\r\nc", "a\r\nb\r\r\nc"), ([.OCRNL], "a\rb\n", "a\nb\n"),
            ([.OCRNL, .ONLCR], "a\rb\n", "a\nb\r\n"), ([.ONOCR], "\ra\r\rb", "a\rb"),
            ([.TABDLY], "a\tb\n\tc", "a       b\n       c"),
            ([.TABDLY, .ONLRET], "a\tb\n\tc", "a       b\n        c"), ([.OLCUC], "aZ1\u{E9}", "AZ1\u{C9}"),
            ([.TABDLY], "abc\u{8}\tx", "abc\u{8}      x"), ([.TABDLY], "\u{1B}\tx", "\u{1B}        x"),
            ([OutputFlags(rawValue: 0x800)], "\t", "\t"),
        ] as [(OutputFlags, String, String)])
    func processed(_ oflag: OutputFlags, _ written: String, _ output: String) {
        #expect(self.output(written, oflag.union(.OPOST)) == output)
        #expect(self.output(written, oflag) == written)
    }

    @Test func charactersOfSeveralBytesTakeOneColumn() {
        #expect(output("\u{C3}\u{A9}\tx", [.OPOST, .TABDLY], [.IUTF8]) == "\u{C3}\u{A9}       x")
        #expect(output("\u{C3}\u{A9}\tx", [.OPOST, .TABDLY]) == "\u{C3}\u{A9}      x")
    }
}

/// A driver with little room: a sequence that belongs together is never split.
@Suite struct OutputRoomTests {
    /// 95.
    @Test func asMuchAsThereIsRoomFor() {
        var raw = DisciplineBench(room: 3)
        #expect(raw.write("abcde") == 3)
        #expect(raw.write("de") == 0)
        var processed = DisciplineBench([], [.OPOST], room: 3)
        #expect(processed.write("abcde") == 3)
        #expect(processed.takeOutput() == "abc")
    }

    @Test func twoForANewline() {
        var bench = DisciplineBench([], [.OPOST, .ONLCR], room: 2)
        #expect(bench.write("a\nb") == 1)
        bench.room = 2
        #expect(bench.write("\nb") == 1)
        #expect(bench.takeOutput() == "a\r\n")
    }

    @Test func allSpacesOfATab() {
        var bench = DisciplineBench([], [.OPOST, .TABDLY], room: 8)
        #expect(bench.write("a\t") == 2)
        bench.room = 7
        #expect(bench.write("\t") == 0)
        bench.room = 8
        #expect(bench.write("\t") == 1)
        #expect(bench.takeOutput() == "a               ")
    }

    @Test func whatGoesNowhereTakesNoRoom() {
        var bench = DisciplineBench([], [.OPOST, .ONOCR], room: 1)
        #expect(bench.write("\r\r") == 2)
        bench.room = 0
        #expect(bench.write("\r") == 0)
    }

    /// Echoes wait as a whole, and are sent ahead of written bytes.
    @Test func echoesWait() {
        var bench = DisciplineBench([], [.OPOST], [.ECHO, .ECHOCTL], room: 1)
        bench.receive("\u{1}b")
        #expect(bench.takeOutput() == "")
        #expect(bench.discipline.hasEchoes)
        bench.room = 10
        bench.write("x")
        #expect(bench.takeOutput() == "^Abx")
        #expect(!bench.discipline.hasEchoes)
        #expect(bench.read() == "\u{1}b")
    }

    @Test func erasingATabWaits() {
        var bench = DisciplineBench([], [.OPOST], [.ICANON, .ECHO, .ECHOE])
        bench.receive("\t")
        _ = bench.takeOutput()
        bench.room = 7
        bench.receive("\u{7F}")
        #expect(bench.takeOutput() == "")
        bench.room = 8
        bench.write("")
        #expect(bench.takeOutput() == String(repeating: "\u{8}", count: 8))
    }

    /// The echo queue is a ring of 4096 bytes: if the driver takes none, the oldest are dropped, and the rest remains
    /// intact.
    @Test func theOldestEchoesAreDropped() {
        var bench = DisciplineBench([], [], [.ECHO, .ECHOCTL], room: 0)
        for _ in 0..<3 {
            bench.receive(String(repeating: "\u{1}", count: 1500))
            bench.discipline.flushInput()
        }
        bench.receive("z")
        bench.room = 1 << 16
        bench.write("")
        let echo = bench.takeOutput()
        let pairs = echo.dropLast().count / 2
        #expect(echo == String(repeating: "^A", count: pairs) + "z")
        #expect((1700..<2048).contains(pairs))
    }

    /// All that an erased line takes to show, though it is more than the queue holds.
    @Test func erasingALongLine() {
        var bench = DisciplineBench([], [], [.ICANON, .ECHO, .ECHOE, .ECHOK, .ECHOKE, .ECHOCTL])
        bench.receive(String(repeating: "\u{1}", count: 2000))
        #expect(bench.takeOutput() == String(repeating: "^A", count: 2000))
        bench.receive("\u{15}")
        #expect(bench.takeOutput() == String(repeating: "\u{8} \u{8}", count: 4000))
    }
}
