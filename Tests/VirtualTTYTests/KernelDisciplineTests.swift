import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// TIOCSETD to one of the kernel's disciplines: the calls made to it, the path of the bytes, and its end.
@Suite struct KernelDisciplineTests {
    private static let ppp: Int32 = 3

    @Test(arguments: DisciplineIoctl.allCases) func numbersAreTheKernels(_ ioctl: DisciplineIoctl) {
        #expect(KernelConstants.value("\(ioctl)") == ioctl.rawValue)
    }

    @Test func sizesAreTheKernels() {
        let sizes: [(DisciplineIoctl, Int, Int)] = [
            (.PPPIOCGCHAN, 0, 4), (.PPPIOCSASYNCMAP, 4, 0), (.PPPIOCGXASYNCMAP, 0, 32), (.PPPIOCSXASYNCMAP, 32, 0),
            (.SIOCGIFNAME, 0, 16), (.SIOCSIFENCAP, 4, 0), (.SIOCGIFENCAP, 0, 4), (.SIOCSKEEPALIVE, 4, 0),
            (.GSMIOC_GETCONF, 0, 76), (.GSMIOC_ENABLE_NET, 52, 0), (.GSMIOC_DISABLE_NET, 0, 0),
        ]
        for (ioctl, copyIn, copyOut) in sizes {
            #expect(ioctl.copies.in == copyIn, "\(ioctl)")
            #expect(ioctl.copies.out == copyOut, "\(ioctl)")
        }
        #expect(KernelConstants.value("IFNAMSIZ") == 16)
    }

    /// A port with a discipline set, and the file.
    private func lent(
        _ configure: (inout PortConfiguration) -> Void = { _ in }, _ body: (PortBench, FileID) throws -> Void
    ) throws {
        try withPort(configure) { port in
            let file = try port.openRaw()
            port.discipline = { _ in .bytes([]) }
            try #expect(port.setDiscipline(file, Self.ppp) == .ioctl([]))
            port.server?.forget()
            try body(port, file)
        }
    }

    @Test func whatIsSetIsShown() throws {
        try lent { port, file in
            #expect(port.disciplineCalls == [.set(Self.ppp, asNetworkAdministrator: false)])
            try #expect(port.number(file, .TIOCGETD) == 3)
            try #expect(port.termios(file).line == 3)
            // Once more is nothing.
            try #expect(port.setDiscipline(file, Self.ppp) == .ioctl([]))
            #expect(port.disciplineCalls.count == 1)
            try #expect(port.setDiscipline(file, 0) == .ioctl([]))
            #expect(port.withdrawals == [false])
            try #expect(port.number(file, .TIOCGETD) == 0)
            try #expect(port.termios(file).line == 0)
        }
    }

    @Test func theCallersCapabilityGoesWithTheCall() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.discipline = { _ in .bytes([]) }
            _ = port.call(
                file, Ioctl.TIOCSETD.rawValue, value: 1, Int32(1).bytes, isNetworkAdministrator: true)
            _ = port.call(
                file, DisciplineIoctl.SIOCSIFENCAP.rawValue, value: 1, Int32(4).bytes, isNetworkAdministrator: true)
            #expect(
                port.disciplineCalls == [
                    .set(1, asNetworkAdministrator: true),
                    .ioctl(0x8926, value: 1, in: [4, 0, 0, 0], outSize: 0, asNetworkAdministrator: true),
                ])
        }
    }

    @Test func whatIsRefusedChangesNothing() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.discipline = { _ in .failed(.notPermitted, reason: nil) }
            try #expect(port.setDiscipline(file, 1) == .error(.notPermitted))
            #expect(port.log.contains { $0.contains("CAP_NET_ADMIN") })
            // 18 is N_PPS, which on a pseudo-terminal is of no use.
            for number: Int32 in [-1, 18, 31, 99, .max] {
                try #expect(port.setDiscipline(file, number) == .error(.invalidArgument))
            }
            #expect(port.disciplineCalls.count == 1)
            try #expect(port.setDiscipline(file, 0) == .ioctl([]))
            try #expect(port.number(file, .TIOCGETD) == 0)
            #expect(port.withdrawals == [])
        }
    }

    @Test func aReasonIsLogged() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.discipline = { _ in .failed(.permissionDenied, reason: "no /dev/ptmx") }
            try #expect(port.setDiscipline(file, 1) == .error(.permissionDenied))
            #expect(port.log.contains { $0.contains("no /dev/ptmx") })
        }
    }

    /// A.2: all output is out before the discipline changes.
    @Test func outputIsDrainedFirst() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, Array("before"))
            port.discipline = { _ in .bytes([]) }
            let change = port.call(file, Ioctl.TIOCSETD.rawValue, value: 1, Self.ppp.bytes)
            #expect(port.isParked(change) && port.disciplineCalls.isEmpty)
            port.makeRoom(.max)
            port.advance(.seconds(1))
            #expect(port.outcome(change) == .ioctl([]))
        }
    }

    @Test func aReaderKeepsItsDiscipline() throws {
        try withPort { port in
            let file = try port.openRaw()
            let read = port.read(file)
            try #expect(port.setDiscipline(file, Self.ppp) == .error(.resourceBusy))
            #expect(port.isParked(read) && port.disciplineCalls.isEmpty)
        }
    }

    @Test func bytesGoToTheDisciplineAndComeFromIt() throws {
        try lent { port, file in
            port.far { $0.send(Array("to it")) }
            #expect(port.feeds == 1)
            port.far { $0.send(Array(", all")) }
            #expect(port.feeds == 1)
            #expect(port.takeReceived() == Array("to it, all"))
            #expect(port.takeReceived() == [])
            #expect(port.transmit(Array("from it")) == 7)
            #expect(port.server?.data == Array("from it"))
            #expect(port.readiness(file) == 0)
        }
    }

    @Test func whatItIsSlowToTakeHoldsTheServerBack() throws {
        try lent { port, _ in
            let piece = [UInt8](repeating: 7, count: 65536)
            for _ in 0..<4 { port.far { $0.send(piece) } }
            #expect(!port.tty.wantsToReceive(isPausing: false))
            #expect(port.takeReceived().count == 4 * 65536)
            #expect(port.tty.wantsToReceive(isPausing: true))
        }
    }

    @Test func whatTheRemotePortIsSlowToTakeHoldsItBack() throws {
        try lent { port, _ in
            port.room = 0
            let bytes = (0..<65536).map { UInt8(truncatingIfNeeded: $0 % 251) }
            var sent = port.transmit(bytes)
            #expect(sent > 0 && sent < bytes.count)
            #expect(port.transmit(Array(bytes[sent...])) == 0)
            let feeds = port.feeds
            port.makeRoom(.max)
            #expect(port.feeds > feeds)
            while sent < bytes.count {
                let more = port.transmit(Array(bytes[sent...]))
                #expect(more > 0)
                if more == 0 { break }
                sent += more
            }
            #expect(port.server?.data == bytes)
        }
    }

    @Test func requestsAreItsToAnswer() throws {
        try lent { port, file in
            port.discipline = { call in
                switch call {
                case .ioctl(DisciplineIoctl.PPPIOCGCHAN.rawValue, _, _, 4, _): .bytes([7, 0, 0, 0])
                case .ioctl(Ioctl.FIONREAD.rawValue, _, _, 4, _): .bytes([0, 0, 0, 0])
                case .read(let count): .bytes([UInt8](repeating: 1, count: min(count, 3)))
                case .write(let bytes): .written(bytes.count - 1)
                default: .failed(.inappropriateIOCTLForDevice, reason: nil)
                }
            }
            let channel = DisciplineIoctl.PPPIOCGCHAN.rawValue
            #expect(port.outcome(port.call(file, channel)) == .retry(copyIn: 0, copyOut: 4))
            #expect(port.outcome(port.call(file, channel, outSize: 4)) == .ioctl([7, 0, 0, 0]))
            let name = DisciplineIoctl.SIOCGIFNAME.rawValue
            #expect(port.outcome(port.call(file, name, outSize: 16)) == .error(.inappropriateIOCTLForDevice))
            try #expect(port.number(file, .FIONREAD) == 0)
            #expect(port.outcome(port.read(file)) == .data([1, 1, 1]))
            #expect(port.outcome(port.write(file, [1, 2, 3])) == .written(2))
            // An ioctl that no discipline has is not passed on.
            let calls = port.disciplineCalls.count
            #expect(port.outcome(port.call(file, 0x1234)) == .error(.inappropriateIOCTLForDevice))
            #expect(port.disciplineCalls.count == calls)
            // The line's own stay the port's.
            try #expect(port.lines(file).contains(.dtr))
            #expect(port.disciplineCalls.count == calls)
        }
    }

    @Test func withoutOneTheyAreNobodys() throws {
        try withPort { port in
            let file = try port.openFile()
            for ioctl in DisciplineIoctl.allCases {
                #expect(port.outcome(port.call(file, ioctl.rawValue)) == .error(.inappropriateIOCTLForDevice))
            }
            #expect(port.disciplineCalls.isEmpty)
        }
    }

    /// TCFLSH: the discipline's buffers, and the line's.
    @Test func flushFlushesBoth() throws {
        try lent { port, file in
            port.far { $0.send(Array("unread")) }
            #expect(port.outcome(port.ioctl(file, .TCFLSH, value: 2)) == .ioctl([]))
            #expect(
                port.disciplineCalls.last
                    == .ioctl(0x540B, value: 2, in: [], outSize: 0, asNetworkAdministrator: false))
            #expect(port.takeReceived() == [])
            #expect(port.server?.commands.contains(.purgeData(2)) ?? false)
        }
    }

    @Test func whatItHasNotBeenGivenIsNTTYs() throws {
        try lent { port, file in
            port.far { $0.send(Array("late")) }
            try #expect(port.setDiscipline(file, 0) == .ioctl([]))
            #expect(port.outcome(port.read(file)) == .data(Array("late")))
            #expect(port.transmit(Array("nobody's")) == 8)
            #expect(port.server?.data == [])
        }
    }

    @Test func anInterruptedChangeToNTTYDiscardsTheRest() throws {
        try lent { port, file in
            port.keepsTransmitting = true
            let change = port.call(file, Ioctl.TIOCSETD.rawValue, value: 1, Int32(0).bytes)
            #expect(port.isParked(change))
            // The rest still goes out.
            #expect(port.transmit(Array("rest")) == 4)
            #expect(port.server?.data == Array("rest"))
            port.interrupt(change)
            #expect(port.outcome(change) == .ioctl([]))
            #expect(port.withdrawals == [false, true])
        }
    }

    @Test func theLastCloseWaitsForItsEnd() throws {
        try lent { port, file in
            let other = try port.openFile()
            #expect(port.outcome(port.release(file)) == .done)
            #expect(port.withdrawals == [])
            try #expect(port.number(other, .TIOCGETD) == 3)
            port.keepsTransmitting = true
            let close = port.release(other)
            #expect(port.isParked(close) && port.withdrawals == [false])
            #expect(port.transmit(Array("rest")) == 4)
            port.tell { $0.disciplineWithdrawn() }
            port.advance(.seconds(1))
            #expect(port.outcome(close) == .done)
            let again = try port.openFile()
            try #expect(port.number(again, .TIOCGETD) == 0)
            try #expect(port.termios(again).line == 0)
        }
    }

    @Test func theLastCloseWaitsNoLongerThanItWould() throws {
        try lent { port, file in
            port.keepsTransmitting = true
            port.room = 0
            _ = port.transmit(Array("rest"))
            let close = port.release(file)
            port.advance(.seconds(29))
            #expect(port.isParked(close))
            port.advance(.seconds(2))
            #expect(port.outcome(close) == .done)
            #expect(port.withdrawals == [false, true])
        }
    }

    @Test func aHangUpEndsIt() throws {
        try lent({ $0.lossTimeout = 0 }) { port, file in
            port.discipline = { _ in nil }
            let read = port.read(file)
            let call = port.call(file, DisciplineIoctl.PPPIOCGCHAN.rawValue, outSize: 4)
            port.breakLink()
            #expect(port.withdrawals == [true])
            #expect(port.outcome(read) == .data([]))
            #expect(port.outcome(call) == .error(.ioError))
            // The answer to the earlier call is too late.
            port.tell { $0.disciplineAnswered(call, .bytes([1, 0, 0, 0])) }
            #expect(port.outcome(call) == .error(.ioError))
            let again = try port.openFile()
            try #expect(port.number(again, .TIOCGETD) == 0)
        }
    }

    /// A hang-up while it is being set: it is asked back behind that.
    @Test func aHangUpInTheMiddle() throws {
        try withPort({ $0.lossTimeout = 0 }) { port in
            let file = try port.openRaw()
            port.discipline = { _ in nil }
            let change = port.call(file, Ioctl.TIOCSETD.rawValue, value: 1, Self.ppp.bytes)
            port.breakLink()
            #expect(port.outcome(change) == .error(.ioError))
            #expect(port.withdrawals == [true])
            port.tell { $0.disciplineAnswered(change, .bytes([])) }
            let again = try port.openFile()
            try #expect(port.number(again, .TIOCGETD) == 0)
        }
    }

    /// Two programs at once: the last request wins.
    @Test func resetWhileItIsBeingSet() throws {
        try withPort { port in
            let (file, other) = (try port.openRaw(), try port.openFile())
            port.discipline = { _ in nil }
            port.keepsTransmitting = true
            let change = port.call(file, Ioctl.TIOCSETD.rawValue, value: 1, Self.ppp.bytes)
            let reset = port.call(other, Ioctl.TIOCSETD.rawValue, value: 1, Int32(0).bytes)
            #expect(port.isParked(reset) && port.withdrawals == [false])
            port.tell { $0.disciplineAnswered(change, .bytes([])) }
            port.tell { $0.disciplineWithdrawn() }
            #expect(port.outcome(change) == .ioctl([]) && port.outcome(reset) == .ioctl([]))
            try #expect(port.number(file, .TIOCGETD) == 0)
            try #expect(port.termios(file).line == 0)
        }
    }

    @Test func anotherOneTakesItsPlace() throws {
        try lent { port, file in
            try #expect(port.setDiscipline(file, 1) == .ioctl([]))
            try #expect(port.number(file, .TIOCGETD) == 1)
            port.discipline = { _ in .failed(.invalidArgument, reason: nil) }
            try #expect(port.setDiscipline(file, 17) == .error(.invalidArgument))
            try #expect(port.number(file, .TIOCGETD) == 1)
            #expect(port.withdrawals == [])
        }
    }
}

extension PortBench {
    /// TIOCSETD, with a second of the bench's time for the drain before it.
    func setDiscipline(_ file: FileID, _ number: Int32) throws -> Outcome? {
        let id = call(file, Ioctl.TIOCSETD.rawValue, value: 1, number.bytes)
        if outcome(id) == nil { advance(.seconds(1)) }
        return outcome(id)
    }

    func takeReceived() -> [UInt8] {
        var bytes: [UInt8] = []
        tell { _ = $0.takeReceived(into: &bytes) }
        return bytes
    }

    func transmit(_ bytes: [UInt8]) -> Int {
        var taken = 0
        tell { taken = $0.transmitFromDiscipline(bytes.span) }
        return taken
    }
}

extension Int32 {
    fileprivate var bytes: [UInt8] { UInt32(bitPattern: self).littleEndian }
}
