import LineDiscipline
import Testing

/// Echoes (TTY-SPEC B.4, F.4).
@Suite struct EchoTests {
    private static let canonical: LocalFlags = [.ICANON, .ECHO, .IEXTEN]

    private func echo(_ received: String, _ lflag: LocalFlags, _ iflag: InputFlags = []) -> String {
        var bench = DisciplineBench(iflag, [.OPOST], lflag)
        bench.receive(received)
        return bench.takeOutput()
    }

    /// 75.
    @Test func controlCharacters() {
        #expect(echo("a\u{1}\t\r\n", [.ECHO, .ECHOCTL]) == "a^A\t^M^J")
        #expect(echo("a\u{1}\t\r\u{7F}", [.ECHO]) == "a\u{1}\t\r\u{7F}")
        #expect(echo("\u{7F}", [.ECHO, .ECHOCTL]) == "^?")
        #expect(echo("a\u{1}", []) == "")
    }

    /// 76.
    @Test(
        arguments: [
            ([.ECHOE], "\u{8} \u{8}"), ([], "\u{7F}"), ([.ECHOPRT, .ECHOE], "\\b"), ([.ECHOCTL], "^?"),
        ] as [(LocalFlags, String)])
    func erasing(_ lflag: LocalFlags, _ echo: String) {
        #expect(self.echo("ab\u{7F}", Self.canonical.union(lflag)) == "ab" + echo)
    }

    @Test func erasuresShownEndWithTheNextCharacter() {
        #expect(echo("abc\u{7F}\u{7F}d", Self.canonical.union([.ECHOE, .ECHOPRT])) == "abc\\cb/d")
        #expect(echo("ab\u{7F}\u{7F}\u{7F}", Self.canonical.union([.ECHOE, .ECHOPRT])) == "ab\\ba/")
    }

    @Test func aControlCharacterTakesTwoColumns() {
        #expect(echo("\u{1}\u{7F}", Self.canonical.union([.ECHOE, .ECHOCTL])) == "^A\u{8} \u{8}\u{8} \u{8}")
        #expect(echo("\u{1}\u{7F}", Self.canonical.union([.ECHOE])) == "\u{1}")
    }

    /// 77.
    @Test(
        arguments: [
            ([.ECHOE, .ECHOK, .ECHOKE], "\u{8} \u{8}\u{8} \u{8}"), ([.ECHOK, .ECHOCTL], "^U\n"), ([.ECHOCTL], "^U"),
        ] as [(LocalFlags, String)])
    func killing(_ lflag: LocalFlags, _ echo: String) {
        #expect(self.echo("ab\u{15}", Self.canonical.union(lflag)) == "ab" + echo)
    }

    /// 78.
    @Test func reprinting() {
        #expect(echo("abc\u{12}", Self.canonical.union(.ECHOCTL)) == "abc^R\nabc")
        #expect(echo("abc\u{12}", [.ICANON, .ECHO]) == "abc\u{12}")
    }

    /// 79: one column, however many bytes.
    @Test func aCharacterOfSeveralBytes() {
        #expect(
            echo("\u{C3}\u{A9}\u{7F}", Self.canonical.union(.ECHOE), [.IUTF8]) == "\u{C3}\u{A9}\u{8} \u{8}")
    }

    /// 80.
    @Test func onlyNewlines() {
        #expect(echo("ab\n", [.ICANON, .ECHONL]) == "\n")
        #expect(echo("ab\n", [.ECHONL]) == "")
    }

    /// 81.
    @Test func discardIsNotDone() {
        var bench = DisciplineBench([], [], Self.canonical.union(.ECHOCTL))
        bench.receive("\u{F}\n")
        #expect(bench.takeOutput() == "^O\n")
        #expect(bench.read() == "\u{F}\n")
    }

    @Test func literalNext() {
        #expect(echo("\u{16}\u{3}", Self.canonical.union(.ECHOCTL)) == "^\u{8}^C")
        #expect(echo("\u{16}\u{3}", Self.canonical) == "\u{3}")
    }

    /// A tab is erased to its beginning, behind a prompt too; the column is counted from there.
    @Test func tabs() {
        var bench = DisciplineBench([], [.OPOST, .TABDLY], Self.canonical.union(.ECHOE))
        bench.write("> ")
        bench.receive("abc\t")
        #expect(bench.takeOutput() == "> abc   ")
        bench.receive("\u{7F}")
        #expect(bench.takeOutput() == "\u{8}\u{8}\u{8}")
        bench.receive("\t\t")
        #expect(bench.takeOutput() == "           ")
        bench.receive("\u{7F}\u{7F}")
        #expect(bench.takeOutput() == String(repeating: "\u{8}", count: 11))
    }

    @Test func echoesGoThroughOutputProcessing() {
        var bench = DisciplineBench([.ICRNL], [.OPOST, .ONLCR, .OLCUC], Self.canonical)
        bench.receive("abc\r")
        #expect(bench.takeOutput() == "ABC\r\n")
    }

    /// The byte that begins an operation in the echo queue is an ordinary one for the line.
    @Test func theHighestByte() {
        #expect(echo("\u{FF}\u{FF}a", Self.canonical) == "\u{FF}\u{FF}a")
        #expect(echo("a\u{FF}\u{7F}", Self.canonical.union(.ECHOE)) == "a\u{FF}\u{8} \u{8}")
    }

    @Test func aSignalCharacterIsEchoedAfterTheFlush() {
        var bench = DisciplineBench([], [.OPOST], [.ISIG, .ECHO, .ECHOCTL])
        bench.receive("ab\u{3}")
        #expect(bench.hasFlushedDriver)
        #expect(bench.takeOutput() == "^C")
    }
}
