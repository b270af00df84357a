import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// struct serial_struct and struct serial_rs485 (TTY-SPEC A.5, F.7 118 to 122; DESIGN 10).
@Suite struct SerialStructTests {
    @Test func item118AsAFreshPortHasIt() throws {
        try withPort({ $0.minor = 3 }) { port in
            let file = try port.openFile()
            let expected = wire(
                """
                04 00 00 00             | type: 16550A
                03 00 00 00             | line: the minor
                00 00 00 00 00 00 00 00 | port, irq
                00 00 00 00             | flags
                10 00 00 00             | xmit_fifo_size
                00 00 00 00             | custom_divisor
                00 36 6E 01             | baud_base: 24,000,000
                32 00 00 00             | close_delay: 50
                00 00 00 00             | hub6
                B8 0B 00 00             | closing_wait: 3000
                """)
            try #expect(port.get(file, .TIOCGSERIAL) == expected + [UInt8](repeating: 0, count: 72 - expected.count))
        }
    }

    private func set(
        _ port: PortBench, _ file: FileID, isAdministrator: Bool = false, _ changes: (offset: Int, value: UInt32)...
    ) throws -> Outcome? {
        var bytes = try port.get(file, .TIOCGSERIAL)
        for (offset, value) in changes { bytes.replaceSubrange(offset..<offset + 4, with: value.littleEndian) }
        return port.outcome(port.ioctl(file, .TIOCSSERIAL, bytes, isAdministrator: isAdministrator))
    }

    @Test func item119LowLatencyIsAnybodys() throws {
        try withPort { port in
            let file = try port.openFile()
            try #expect(set(port, file, (16, 0x2000)) == .ioctl([]))
            try #expect(port.get(file, .TIOCGSERIAL).number(at: 16) == 0x2000)
        }
    }

    @Test(arguments: [(40, 65535), (40, 0), (32, 1), (16, 0x4000_0000)] as [(Int, UInt32)])
    func item120WhatIsTheAdministrators(_ offset: Int, _ value: UInt32) throws {
        try withPort { port in
            let file = try port.openFile()
            let before = try port.get(file, .TIOCGSERIAL)
            try #expect(set(port, file, (offset, value)) == .error(.notPermitted))
            try #expect(port.get(file, .TIOCGSERIAL) == before)
            try #expect(set(port, file, isAdministrator: true, (offset, value)) == .ioctl([]))
            try #expect(port.get(file, .TIOCGSERIAL).number(at: offset) == value)
        }
    }

    /// What usb-serial ignores: type, port, irq, baud_base.
    @Test func theRestIsIgnored() throws {
        try withPort { port in
            let file = try port.openFile()
            let before = try port.get(file, .TIOCGSERIAL)
            try #expect(set(port, file, (0, 9), (8, 0x3F8), (12, 4), (28, 115_200)) == .ioctl([]))
            try #expect(port.get(file, .TIOCGSERIAL) == before)
        }
    }

    @Test(
        arguments: [
            (0x10, 57600), (0x20, 115_200), (0x1000, 230_400), (0x1010, 460_800), (0x30, 100_000),
        ] as [(UInt32, UInt32)])
    func item121OtherMeaningsOf38400(_ flags: UInt32, _ baud: UInt32) throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.setBaud(38400) }
            #expect(port.server?.port.settings.baud == 38400)
            try #expect(set(port, file, (16, flags), (24, 240)) == .ioctl([]))
            #expect(port.server?.port.settings.baud == baud)
            try #expect(port.termios(file).ospeed == 38400)
            try port.change(file) { $0.setBaud(9600) }
            #expect(port.server?.port.settings.baud == 9600)
        }
    }

    @Test func aDivisorOfZeroMeansNothing() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.setBaud(38400) }
            try #expect(set(port, file, (16, 0x30), (24, 0)) == .ioctl([]))
            #expect(port.server?.port.settings.baud == 38400)
        }
    }

    // RS485.

    private static func rs485(_ flags: UInt32, before: UInt32 = 0, after: UInt32 = 0) -> [UInt8] {
        flags.littleEndian + before.littleEndian + after.littleEndian + [UInt8](repeating: 0, count: 20)
    }

    @Test func rs485OnAndOff() throws {
        try withPort { port in
            let file = try port.openRaw()
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(0))
            port.delay = .milliseconds(20)
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(0x13, before: 1, after: 2))
            #expect(port.outcome(on) == nil)
            #expect(port.server?.commands == [.setControl(ControlValue(rawValue: 20))])
            port.advance(.milliseconds(20))
            #expect(port.outcome(on) == .ioctl(Self.rs485(0x13, before: 1, after: 2)))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(0x13, before: 1, after: 2))
            port.server?.forget()
            // Delays alone are nothing the server knows of; no driver takes more than 100 ms.
            let same = port.ioctl(file, .TIOCSRS485, Self.rs485(3, before: 3, after: 101))
            #expect(port.outcome(same) == .ioctl(Self.rs485(3, before: 3, after: 100)))
            #expect(port.server?.commands == [])
            let off = port.ioctl(file, .TIOCSRS485, Self.rs485(0))
            port.advance(.milliseconds(20))
            #expect(port.outcome(off) == .ioctl(Self.rs485(0)))
            #expect(port.server?.port.isRS485 == false)
        }
    }

    @Test func rs485Refused() throws {
        try withPort { port in
            port.profile.rs485 = .refused
            let file = try port.openRaw()
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(1))
            #expect(port.outcome(on) == .error(.inappropriateIOCTLForDevice))
            let get = port.ioctl(file, .TIOCGRS485, [])
            #expect(port.outcome(get) == .error(.inappropriateIOCTLForDevice))
        }
    }

    @Test func rs485Unanswered() throws {
        try withPort { port in
            port.profile.rs485 = .unknown
            let file = try port.openRaw()
            let start = port.clock.now
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(1))
            port.advance(.seconds(2))
            #expect(port.outcome(on) == .error(.inappropriateIOCTLForDevice))
            #expect(port.milliseconds(on, since: start).map { $0 <= 1000 } == true)
            // From then on at once.
            let again = port.ioctl(file, .TIOCSRS485, Self.rs485(1))
            #expect(port.outcome(again) == .error(.inappropriateIOCTLForDevice))
        }
    }

    @Test func rs485CodesAreTheUsers() throws {
        try withPort({
            $0.rs485On = 100
            $0.rs485Off = 101
        }) { port in
            port.profile.rs485On = 100
            port.profile.rs485Off = 101
            let file = try port.openRaw()
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(1))
            #expect(port.outcome(on) == .ioctl(Self.rs485(3)))
            #expect(port.server?.commands == [.setControl(ControlValue(rawValue: 100))])
        }
    }

    @Test func rs485FlagsNobodyKnows() throws {
        try withPort { port in
            let file = try port.openRaw()
            // Bit 3 has no meaning in the kernel, and none is above SER_RS485_MODE_RS422.
            for flags in [0x8001, 0x9, 0x401] as [UInt32] {
                let on = port.ioctl(file, .TIOCSRS485, Self.rs485(flags))
                #expect(port.outcome(on) == .error(.invalidArgument))
            }
            #expect(port.server?.commands == [])
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(0x1F3))
            #expect(port.outcome(on) == .ioctl(Self.rs485(0x1F3)))
        }
    }

    /// uart_sanitize_serial_rs485: RTS has one level while sending and the other afterwards, RS422 has no RTS level,
    /// and a mode that is off keeps no settings.
    @Test(
        arguments: [(0x1, 0x3), (0x7, 0x3), (0x3, 0x3), (0x5, 0x5), (0x11, 0x13), (0x3F7, 0x221), (0x16, 0)]
            as [(UInt32, UInt32)])
    func rs485FlagsAsADriverTakesThem(_ flags: UInt32, _ taken: UInt32) throws {
        try withPort { port in
            let file = try port.openRaw()
            let set = port.ioctl(file, .TIOCSRS485, Self.rs485(flags, before: 7))
            let wanted = taken == 0 ? Self.rs485(0) : Self.rs485(taken, before: 7)
            #expect(port.outcome(set) == .ioctl(wanted))
            try #expect(port.get(file, .TIOCGRS485) == wanted)
        }
    }

    /// uart_check_rs485_flags: addresses need the address mode, and a flag each.
    @Test(arguments: [(0x81, 0, 0), (0x101, 0, 0), (0x41, 1, 0), (0x41, 0, 1)] as [(UInt32, UInt8, UInt8)])
    func rs485AddressesOutOfPlace(_ flags: UInt32, _ receive: UInt8, _ destination: UInt8) throws {
        try withPort { port in
            let file = try port.openRaw()
            var bytes = Self.rs485(flags)
            bytes[12] = receive
            bytes[13] = destination
            let set = port.ioctl(file, .TIOCSRS485, bytes)
            #expect(port.outcome(set) == .error(.invalidArgument))
        }
    }

    /// What one server refuses another may have: a refusal holds for its connection.
    @Test func rs485RefusedByThisServer() throws {
        try withPort { port in
            port.profile.rs485 = .refused
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            port.profile.rs485 = .supported
            port.breakLink()
            port.advance(.seconds(1))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(0))
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            #expect(port.outcome(on) == .ioctl(Self.rs485(3)))
        }
    }

    /// A connection that breaks says nothing of RS485.
    @Test func rs485LostOnTheWay() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.isMute = true
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            port.isMute = false
            port.breakLink()
            #expect(port.outcome(on) == .error(.ioError))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(0))
            // The server is not known to have the mode, and there is no connection to ask it.
            let asked = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            #expect(port.outcome(asked) == .error(.ioError))
            port.advance(.seconds(1))
            // The server may have done it: it is told what holds.
            #expect(port.server?.commands.contains(.setControl(ControlValue(rawValue: 21))) == true)
            let again = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            #expect(port.outcome(again) == .ioctl(Self.rs485(3)))
        }
    }

    /// A server that is known to have the mode is told of it when it is back.
    @Test func rs485WhileTheConnectionIsLost() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            for on in [false, true] {
                port.breakLink()
                let set = port.ioctl(file, .TIOCSRS485, Self.rs485(on ? 3 : 0))
                #expect(port.outcome(set) == .ioctl(Self.rs485(on ? 3 : 0)))
                port.advance(.seconds(1))
                #expect(port.server?.commands.contains(.setControl(ControlValue(rawValue: on ? 20 : 21))) == true)
                try #expect(port.get(file, .TIOCGRS485) == Self.rs485(on ? 3 : 0))
            }
        }
    }

    /// A signal ends the wait, not what was asked for.
    @Test func rs485Interrupted() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.delay = .milliseconds(20)
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            port.interrupt(on)
            #expect(port.outcome(on) == .error(.interrupted))
            port.advance(.milliseconds(20))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(3))
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.server?.port.isRS485 == true)
        }
    }

    /// A server that has lost the mode while away no longer holds it.
    @Test func rs485RefusedWhenToldAnew() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            port.profile.rs485 = .refused
            port.breakLink()
            port.advance(.seconds(1))
            let get = port.ioctl(file, .TIOCGRS485, [])
            #expect(port.outcome(get) == .error(.inappropriateIOCTLForDevice))
            port.profile.rs485 = .supported
            port.breakLink()
            port.advance(.seconds(1))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(0))
        }
    }

    /// A request that could not even be sent says nothing of the server.
    @Test func rs485BehindAFullSocket() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.room = 0
            _ = port.write(file, [UInt8](repeating: 1, count: 18_000))
            let on = port.ioctl(file, .TIOCSRS485, Self.rs485(3))
            port.advance(.seconds(2))
            #expect(port.outcome(on) == .error(.ioError))
            port.makeRoom(.max)
            port.advance(.seconds(20))
            try #expect(port.get(file, .TIOCGRS485) == Self.rs485(3))
        }
    }

    @Test func rs485ComesBackWithTheConnection() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.ioctl(file, .TIOCSRS485, Self.rs485(1))
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.server?.port.isRS485 == true)
        }
    }
}
