import LineDiscipline
import Testing

/// Stopping and starting output (TTY-SPEC B.1, F.6).
@Suite struct FlowTests {
    /// 99 and 100: who stopped it is who starts it.
    @Test func whoStartsIt() {
        var bench = DisciplineBench([.IXON])
        bench.receive("\u{13}")
        #expect(bench.discipline.isOutputStopped && !bench.discipline.isStoppedByProgram)
        bench.discipline.resumeOutput()
        #expect(bench.discipline.isOutputStopped)
        bench.receive("\u{11}")
        #expect(!bench.discipline.isOutputStopped)
        bench.discipline.suspendOutput()
        bench.receive("\u{11}")
        #expect(bench.discipline.isOutputStopped && bench.discipline.isStoppedByProgram)
        bench.set { $0.iflag.remove(.IXON) }
        #expect(bench.discipline.isOutputStopped)
        bench.discipline.resumeOutput()
        #expect(!bench.discipline.isOutputStopped)
    }

    /// 101.
    @Test func withoutIXONThereIsNoStop() {
        var bench = DisciplineBench([.IXON])
        bench.receive("\u{13}")
        bench.set { $0.iflag.remove(.IXON) }
        #expect(!bench.discipline.isOutputStopped)
        bench.receive("\u{13}")
        #expect(!bench.discipline.isOutputStopped)
    }

    /// 102.
    @Test func anyByteStarts() {
        var bench = DisciplineBench([.IXON, .IXANY])
        bench.receive("\u{13}Z")
        #expect(!bench.discipline.isOutputStopped)
        #expect(bench.read() == "Z")
        bench.discipline.suspendOutput()
        bench.receive("Z")
        #expect(bench.discipline.isOutputStopped)
    }

    /// One character for both is a start.
    @Test func oneCharacterForBoth() {
        var bench = DisciplineBench([.IXON], [], [], [.VSTART: 0x13])
        bench.receive("\u{13}")
        #expect(!bench.discipline.isOutputStopped)
    }

    @Test func aSignalCharacterStarts() {
        var bench = DisciplineBench([.IXON], [], [.ISIG])
        bench.receive("\u{13}\u{3}")
        #expect(!bench.discipline.isOutputStopped)
        bench.discipline.suspendOutput()
        bench.receive("\u{3}")
        #expect(bench.discipline.isOutputStopped)
    }

    /// 98: a uart's driver takes what is written and keeps it; a pty's takes nothing.
    @Test func writesWhileStopped() {
        var bench = DisciplineBench()
        bench.discipline.suspendOutput()
        #expect(bench.write("abc") == 3)
        var output = OutputBuffer(room: 100, roomWhenEmpty: 100, refusesWhileStopped: true)
        let bytes = "abc".latin1
        #expect(bench.discipline.write(bytes.span, from: 0, to: &output) == 0)
    }

    /// Flow characters among bytes that wait for room act at once, are taken out when they come in, and then act no
    /// more.
    @Test func lookingAhead() {
        var bench = DisciplineBench([.IXON])
        bench.receive(String(repeating: "a", count: 4095))
        #expect(bench.receive("b\u{13}c\u{11}\u{13}d") == 0)
        bench.lookAhead("b\u{13}c\u{11}\u{13}d")
        #expect(bench.discipline.isOutputStopped)
        bench.lookAhead("\u{11}")
        #expect(!bench.discipline.isOutputStopped)
        #expect(bench.read()?.count == 4095)
        #expect(bench.receive("b\u{13}c\u{11}\u{13}d\u{11}") == 7)
        #expect(!bench.discipline.isOutputStopped)
        #expect(bench.read() == "bcd")
        bench.receive("\u{13}")
        #expect(bench.discipline.isOutputStopped)
    }

    /// After a flush nothing has been looked at.
    @Test func aFlushForgetsWhatWasLookedAt() {
        var bench = DisciplineBench([.IXON])
        bench.receive(String(repeating: "a", count: 4095))
        bench.lookAhead("bcd")
        bench.discipline.flushInput()
        bench.receive("\u{13}")
        #expect(bench.discipline.isOutputStopped)
    }

    /// While the port is being closed nothing is kept, but output that drains is stopped and started.
    @Test func whileClosing() {
        var bench = DisciplineBench([.IXON, .IXANY], [], [.ISIG])
        bench.receiveClosing("ab\u{13}")
        #expect(bench.discipline.isOutputStopped)
        bench.receiveClosing("\u{3}")
        #expect(bench.discipline.isOutputStopped)
        bench.receiveClosing("x")
        #expect(!bench.discipline.isOutputStopped)
        #expect(bench.read() == nil)
        bench.set { $0.iflag.remove(.IXON) }
        bench.receiveClosing("\u{13}")
        #expect(!bench.discipline.isOutputStopped)
    }
}
