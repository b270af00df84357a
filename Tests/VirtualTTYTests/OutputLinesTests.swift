import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// DTR and RTS: as commanded, and as told to the server.
@Suite struct OutputLinesTests {
    private static let lineKinds: AnswerKinds = [.dtr, .rts]

    /// The commands for lines that the server got.
    private func told(_ port: PortBench) -> [ComPortCommand] {
        (port.server?.commands ?? []).filter { $0.answerKind.map { Self.lineKinds.contains($0) } ?? false }
    }

    // The value.

    private func taken(_ outputs: inout OutputLines) -> [ComPortCommand] { outputs.takeCommands() }

    @Test func aLineThatWasNeverCommandedIsNotTold() {
        var outputs = OutputLines()
        #expect(taken(&outputs) == [])
        outputs.command([], mask: .dtr)
        #expect(taken(&outputs) == [.setControl(.dtrOff)])
        #expect(taken(&outputs) == [])
        outputs.command([], mask: .dtr)
        #expect(taken(&outputs) == [])
    }

    @Test func aNewConnectionIsToldWhatWasCommanded() {
        var outputs = OutputLines()
        outputs.command(.rts, mask: [.dtr, .rts])
        #expect(taken(&outputs) == [.setControl(.dtrOff), .setControl(.rtsOn)])
        outputs.forgetSent()
        #expect(taken(&outputs) == [.setControl(.dtrOff), .setControl(.rtsOn)])
    }

    /// Only DTR and RTS are this end's.
    @Test func otherLinesAreIgnored() {
        var outputs = OutputLines()
        outputs.command([.dcd, .cts], mask: [.dcd, .cts])
        #expect(outputs.commanded == [] && outputs.levels == [] && taken(&outputs) == [])
    }

    // The whole port.

    /// Servers raise DTR for a connection: a program that lowers it means it, though this port never raised it.
    @Test(arguments: [ModemLines.dtr, .rts]) func aLineThatWasNeverRaisedCanBeLowered(_ line: ModemLines) throws {
        try withPort({ $0.lines = .leave }) { port in
            let file = try port.openRaw()
            #expect(told(port) == [])
            _ = port.setLines(file, .TIOCMBIC, line)
            #expect(told(port) == [.setControl(line == .dtr ? .dtrOff : .rtsOff)])
            // Once is enough.
            _ = port.setLines(file, .TIOCMBIC, line)
            #expect(told(port).count == 1)
        }
    }

    @Test func aLoweredLineIsLowAgainOnTheNextConnection() throws {
        try withPort({ $0.lines = .leave }) { port in
            let file = try port.openRaw()
            _ = port.setLines(file, .TIOCMBIC, .dtr)
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.connections == 2)
            // RTS stays the server's.
            #expect(told(port) == [.setControl(.dtrOff)])
        }
    }

    @Test func bothLinesLoweredAreLowAgainOnTheNextConnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.setLines(file, .TIOCMSET, [])
            port.breakLink()
            port.advance(.seconds(1))
            #expect(told(port) == [.setControl(.dtrOff), .setControl(.rtsOff)])
            try #expect(port.lines(file) == [])
        }
    }

    /// With -hupcl the lines stay up over a close, and are raised on the next connection that is made while closed.
    @Test func theServerIsToldWhatTIOCMGETSays() throws {
        try withPort({ $0.connect = .always }) { port in
            port.tell { $0.start() }
            let file = try port.openRaw()
            try port.change(file) { $0.cflag.remove(.HUPCL) }
            _ = port.setLines(file, .TIOCMBIC, .rts)
            _ = port.release(file)
            #expect(port.tty.state.outputs == .dtr)
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.tty.link == .up && port.connections == 2)
            #expect(port.server?.port.outputs == .dtr)
            #expect(told(port) == [.setControl(.dtrOn), .setControl(.rtsOff)])
            #expect(port.tty.state.outputs == .dtr)
        }
    }

    /// The same as a program sees it, which opens a port that raises nothing.
    @Test func aProgramSeesTheLinesThatTheServerWasTold() throws {
        try withPort({
            $0.connect = .always
            $0.lines = .leave
        }) { port in
            port.tell { $0.start() }
            let file = try port.openRaw()
            _ = port.setLines(file, .TIOCMSET, .dtr)
            _ = port.release(file)
            port.breakLink()
            port.advance(.seconds(1))
            let again = try port.openFile()
            #expect(port.server?.port.outputs == .dtr)
            try #expect(port.lines(again).intersection([.dtr, .rts]) == .dtr)
        }
    }
}
