import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// poll(2) and its notifications (TTY-SPEC B.8, D.7, F.8 148).
@Suite struct PollTests {
    @Test func aWaiterIsToldOnce() throws {
        try withPort { port in
            let file = try port.openRaw()
            let poll = port.poll(file, 0x41, notifies: true)
            #expect(port.outcome(poll) == .poll(0x104))
            port.far { $0.send(Array("a")) }
            #expect(port.notified == [file])
            port.far { $0.send(Array("b")) }
            #expect(port.notified == [file])
            _ = port.poll(file, 0x41, notifies: true)
            port.far { $0.send(Array("c")) }
            #expect(port.notified == [file, file])
        }
    }

    @Test func whoDoesNotWaitIsNotTold() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.poll(file, 0x41)
            port.far { $0.send(Array("a")) }
            _ = port.write(file, Array("b"))
            port.advance(.seconds(1))
            #expect(port.notified == [])
        }
    }

    @Test func onlyWhatIsWaitedForTells() throws {
        try withPort { port in
            let file = try port.openRaw(min: 3)
            _ = port.poll(file, 0x41, notifies: true)
            port.far { $0.send(Array("ab")) }
            _ = port.write(file, Array("x"))
            #expect(port.notified == [])
            port.far { $0.send(Array("c")) }
            #expect(port.notified == [file])
        }
    }

    /// Two threads wait for different events on one open file: the later one must not make the first deaf.
    @Test func waitersOfOneFileAddUp() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TCXONC, value: 0)
            _ = port.write(file, [UInt8](repeating: 1, count: 300))
            _ = port.poll(file, 0x41, notifies: true)
            _ = port.poll(file, 0x104, notifies: true)
            port.far { $0.send(Array("a")) }
            #expect(port.notified == [file])
        }
    }

    @Test func item148IdleFilesAreSilent() throws {
        try withPort { port in
            let files = try (0..<100).map { _ in try port.openRaw() }
            for file in files { _ = port.poll(file, 0x41, notifies: true) }
            port.advance(.seconds(100))
            #expect(port.notified == [])
            #expect(port.tty.nextDeadline() == nil)
            port.far { $0.send(Array("a")) }
            #expect(Set(port.notified) == Set(files) && port.notified.count == 100)
        }
    }

    @Test func aFileNobodyHas() throws {
        try withPort { port in
            _ = try port.openRaw()
            let poll = port.poll(FileID(rawValue: 99))
            #expect(port.outcome(poll) == .error(.badFileDescriptor))
        }
    }
}
