import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage
import Testing

@testable import Simulator

/// A pseudo-terminal pair; the simulator gets the end that looks like a serial port.
private final class PTY {
    let master: Descriptor
    let path: String

    init() throws {
        var ends: (master: Int32, slave: Int32) = (-1, -1)
        var name = [CChar](repeating: 0, count: 64)
        try syscall("openpty") { openpty(&ends.master, &ends.slave, &name, nil, nil) }
        // The other end is the simulator's to open.
        close(ends.slave)
        let master = Descriptor(owning: ends.master)
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.master = master
    }

    func write(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { Glibc.write(master.raw, $0.baseAddress, $0.count) } }

    func read(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < count {
            var poll = [pollfd(fd: master.raw, events: Int16(POLLIN), revents: 0)]
            guard ((try? waitForEvents(&poll, nanoseconds: .seconds(10))) ?? 0) > 0 else { return bytes }
            let got = buffer.withUnsafeMutableBytes { Glibc.read(master.raw, $0.baseAddress, $0.count) }
            guard got > 0 else { return bytes }
            bytes += buffer[..<got]
        }
        return bytes
    }

    /// The line's settings, which both ends of a pty share.
    var termios: Glibc.termios {
        var termios = Glibc.termios()
        tcgetattr(master.raw, &termios)
        return termios
    }
}

@Suite struct TTYTests {
    @Test func bytesOfAllValuesPassBothWays() throws {
        let pty = try PTY()
        try withSimulator([.tty(pty.path)]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            let all = [UInt8](0...255)
            var escaped: [UInt8] = []
            escaped.appendTelnetData(all.span)
            try client.send(escaped)
            #expect(pty.read(256) == all)
            pty.write(all)
            #expect(client.receives(all))
        }
    }

    @Test func settingsReachTheDriver() throws {
        let pty = try PTY()
        try withSimulator([.tty(pty.path)]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setBaudRate(123_456), .setStopSize(2), .setControl(.flow(.hardware)))
            #expect(client.receives(.setBaudRate(123_456)))
            #expect(client.receives(.setStopSize(2)))
            #expect(client.receives(.setControl(.flow(.hardware))))
            let file = try SerialPortFile(pty.path)
            var termios = pty.termios
            #expect(termios.c_cflag & tcflag_t(CSTOPB) != 0)
            #expect(termios.c_iflag & tcflag_t(PARMRK) != 0)
            #expect(!file.hasLines)
            try client.send(.setControl(.flow(.xonXoff)))
            #expect(client.receives(.setControl(.flow(.xonXoff))))
            termios = pty.termios
            #expect(termios.c_iflag & tcflag_t(IXON) != 0)
            // A pty has eight data bits and no parity, whatever it is told; the answer says so.
            try client.send(.setDataSize(7), .setParity(2))
            #expect(client.receives(.setDataSize(8)))
            #expect(client.receives(.setParity(1)))
        }
    }

    @Test func missingLinesAreTolerated() throws {
        let pty = try PTY()
        try withSimulator([.tty(pty.path)]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.dtrOn), .setControl(.rtsOff), .setControl(.breakOn), .setControl(.breakOff))
            for value in [.dtrOn, .rtsOff, .breakOn, .breakOff] as [ControlValue] {
                #expect(client.receives(.setControl(value)))
            }
            try client.send(.purgeData(3))
            #expect(client.receives(.purgeData(3)))
            try client.send([255, 250, 44, 7, 255, 240])
            #expect(client.receives(.notifyModemState([.cts, .dsr, .dcd])))
            // There is no RS485 behind a pty.
            try client.send(.setControl(ControlValue(rawValue: 20)))
            #expect(client.receives(.setControl(ControlValue(rawValue: 21))))
        }
    }

    @Test func asSer2netItDoesNotAnswerForMissingLines() throws {
        let pty = try PTY()
        try withSimulator([.tty(pty.path)], quirks: [.ser2net]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.dtrOn), .setBaudRate(19200))
            #expect(client.receives(.setBaudRate(19200)))
            #expect(!client.commands.contains(.setControl(.dtrOn)) && !client.commands.contains(.setControl(.dtrOff)))
            #expect(log.events(of: 0).contains(.failed(.setDTR(true))))
        }
    }

    @Test func aPortThatGoesAwayIsLookedForAgain() throws {
        var pty: PTY? = try PTY()
        // A name that stays, as udev's links do.
        let path = "/tmp/simulator-tests-\(getpid())-tty"
        unlink(path)
        symlink(try #require(pty).path, path)
        defer { unlink(path) }
        try withSimulator([.tty(path)]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            pty = nil
            #expect(log.wait(port: 0) { $0.contains(.lost(path)) })
            #expect(client.receives(.notifyModemState([.deltaCTS, .deltaDSR, .deltaDCD])))
            // The client remains connected, and its bytes are lost.
            try client.send([0x41])
            try client.send(.setBaudRate(1200))
            #expect(client.receives(.setBaudRate(9600)))
            let next = try PTY()
            unlink(path)
            symlink(next.path, path)
            #expect(log.wait(port: 0) { $0.contains(.found(path)) })
            next.write([0x42])
            #expect(client.receives([0x42]))
        }
    }

    @Test func whatIsNoSerialPortIsRefused() {
        for path in ["/dev/null", "/nowhere/at/all"] {
            let error = #expect(throws: SimulatorError.self) { try withSimulator([.tty(path)]) { _, _, _ in } }
            #expect(error.map { "\($0)".hasPrefix("cannot use \(path) as a serial port: ") } ?? false)
        }
    }

    @Test func parityMarksAreUndone() {
        let marked: [UInt8] = [0x41, 0xFF, 0xFF, 0x42, 0xFF, 0x00, 0x43, 0xFF, 0x00, 0x00, 0xFF, 0x00, 0xFF, 0x44]
        for split in 0...marked.count {
            var decoder = ParityMarkDecoder()
            var good: [UInt8] = []
            var bad: [UInt8] = []
            for part in [Array(marked[..<split]), Array(marked[split...])] {
                let span = part.span
                var offset = 0
                while let element = decoder.next(span, &offset) {
                    switch element {
                    case .good(let range): good += part[range]
                    case .bad(let byte): bad.append(byte)
                    }
                }
            }
            #expect(good == [0x41, 0xFF, 0x42, 0x44])
            #expect(bad == [0x43, 0x00, 0xFF])
        }
    }
}
