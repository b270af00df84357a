import SerialLine

/// The kernel's termios2: TCGETS2 copies all of it, TCGETS all but the speeds.
package struct Termios: Equatable, Sendable {
    /// Kernel's NCCS; glibc's struct, with 32, never crosses the system call.
    package static let controlCharacterCount = 19
    /// Bytes of struct termio, termios and termios2.
    package static let termioSize = 18
    package static let size = 36
    package static let size2 = 44

    package var iflag: InputFlags
    package var oflag: OutputFlags
    package var cflag: ControlFlags
    package var lflag: LocalFlags
    package var line: UInt8
    /// Always `controlCharacterCount` long.
    package private(set) var cc: [UInt8]
    /// Bits per second; 0 is B0.
    package var ispeed: UInt32
    package var ospeed: UInt32

    /// A serial port's initial settings (tty_std_termios and uart_register_driver): 9600 8N1, CREAD, HUPCL, CLOCAL,
    /// canonical with echo.
    package init() {
        iflag = [.ICRNL, .IXON]
        oflag = [.OPOST, .ONLCR]
        cflag = [ControlFlags(rawValue: BaudCode.code(of: 9600)), .CS8, .CREAD, .HUPCL, .CLOCAL]
        lflag = LocalFlags(rawValue: 0x8A3B)
        line = 0
        // ^C ^\ DEL ^U ^D TIME=0 MIN=1 - ^Q ^S ^Z - ^R ^O ^W ^V - - -
        cc = [3, 0x1C, 0x7F, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1A, 0, 0x12, 0xF, 0x17, 0x16, 0, 0, 0]
        ispeed = 9600
        ospeed = 9600
    }

    package subscript(_ character: ControlCharacter) -> UInt8 {
        get { cc[character.rawValue] }
        set { cc[character.rawValue] = newValue }
    }

    /// Bytes a non-canonical read waits for.
    package var minimum: Int { Int(self[.VMIN]) }
    /// How long a non-canonical read waits, in nanoseconds; 0: no timer.
    package var timeNanoseconds: UInt64 { UInt64(self[.VTIME]) * .milliseconds(100) }
}

// The structures at the system call boundary, little-endian.
extension Termios {
    /// struct termios: 36 bytes.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size2)
        bytes.appendLittleEndian(iflag.rawValue)
        bytes.appendLittleEndian(oflag.rawValue)
        bytes.appendLittleEndian(cflag.rawValue)
        bytes.appendLittleEndian(lflag.rawValue)
        bytes.append(line)
        bytes += cc
        return bytes
    }

    /// struct termios2: 44 bytes.
    package var bytes2: [UInt8] {
        var bytes = bytes
        bytes.appendLittleEndian(ispeed)
        bytes.appendLittleEndian(ospeed)
        return bytes
    }

    /// struct termio: 18 bytes (17 and padding): the low halves of the flags and 8 control characters.
    package var termioBytes: [UInt8] {
        var bytes: [UInt8] = []
        for flags in [iflag.rawValue, oflag.rawValue, cflag.rawValue, lflag.rawValue] {
            bytes.append(UInt8(truncatingIfNeeded: flags))
            bytes.append(UInt8(truncatingIfNeeded: flags >> 8))
        }
        bytes.append(line)
        bytes += cc.prefix(8)
        bytes.append(0)
        return bytes
    }

    /// These settings, overlaid with a struct termios (36 bytes), termios2 (44) or termio (18); speeds are calculated
    /// as the kernel does (set_termios, tty_termios_baud_rate). nil for another length.
    package func overlaid(with bytes: borrowing Span<UInt8>) -> Termios? {
        var new = self
        switch bytes.count {
        case Self.size, Self.size2:
            new.iflag = InputFlags(rawValue: bytes.littleEndian32(at: 0))
            new.oflag = OutputFlags(rawValue: bytes.littleEndian32(at: 4))
            new.cflag = ControlFlags(rawValue: bytes.littleEndian32(at: 8))
            new.lflag = LocalFlags(rawValue: bytes.littleEndian32(at: 12))
            new.line = bytes[16]
            for index in 0..<Self.controlCharacterCount { new.cc[index] = bytes[17 + index] }
            if bytes.count == Self.size2 {
                new.ispeed = bytes.littleEndian32(at: 36)
                new.ospeed = bytes.littleEndian32(at: 40)
            }
        case Self.termioSize:
            func merged(_ old: UInt32, _ offset: Int, _ bytes: borrowing Span<UInt8>) -> UInt32 {
                old & 0xFFFF_0000 | UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8
            }
            new.iflag = InputFlags(rawValue: merged(iflag.rawValue, 0, bytes))
            new.oflag = OutputFlags(rawValue: merged(oflag.rawValue, 2, bytes))
            new.cflag = ControlFlags(rawValue: merged(cflag.rawValue, 4, bytes))
            new.lflag = LocalFlags(rawValue: merged(lflag.rawValue, 6, bytes))
            new.line = bytes[8]
            for index in 0..<8 { new.cc[index] = bytes[9 + index] }
        default:
            return nil
        }
        // ADDRB belongs to the driver: programs cannot change it (tty_set_termios).
        new.cflag = new.cflag.subtracting(.ADDRB).union(cflag.intersection(.ADDRB))
        new.resolveSpeeds()
        return new
    }

    /// Calculates the numeric speeds from the codes (tty_termios_baud_rate, tty_termios_input_baud_rate), and encodes
    /// them again as serial drivers do (tty_termios_encode_baud_rate): BOTHER with a rate that has a constant reads
    /// back as that constant.
    private mutating func resolveSpeeds() {
        if let baud = BaudCode.baud(of: cflag.rawValue & ControlFlags.CBAUD.rawValue) { ospeed = baud }
        let inputCode = cflag.intersection(.CIBAUD).rawValue >> 16
        if inputCode == 0 {
            ispeed = ospeed
        } else if let baud = BaudCode.baud(of: inputCode) {
            ispeed = baud
        }
        setSpeedCodes(keepInputCode: inputCode != 0)
    }

    private mutating func setSpeedCodes(keepInputCode: Bool) {
        var raw = cflag.rawValue & ~(ControlFlags.CBAUD.rawValue | ControlFlags.CIBAUD.rawValue)
        raw |= BaudCode.code(of: ospeed)
        if keepInputCode { raw |= BaudCode.code(of: ispeed) << 16 }
        cflag = ControlFlags(rawValue: raw)
    }

    /// Adopts the rate that the hardware uses (tty_termios_encode_baud_rate); the requested Bxxx remains if the rate
    /// is within 2 %.
    package mutating func adopt(baud: UInt32) {
        let difference = baud > ospeed ? baud - ospeed : ospeed - baud
        let hasConstant = BaudCode.code(of: ospeed) != ControlFlags.BOTHER.rawValue
        if hasConstant && difference <= ospeed / 50 { return }
        ospeed = baud
        ispeed = baud
        setSpeedCodes(keepInputCode: cflag.intersection(.CIBAUD) != [])
    }
}

extension [UInt8] {
    /// Appends a 32-bit number, low byte first.
    package mutating func appendLittleEndian(_ value: UInt32) {
        append(UInt8(truncatingIfNeeded: value))
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value >> 16))
        append(UInt8(truncatingIfNeeded: value >> 24))
    }
}

extension Span where Element == UInt8 {
    /// The 32-bit number at `offset`, low byte first; the four bytes must be inside.
    package func littleEndian32(at offset: Int) -> UInt32 {
        UInt32(self[offset]) | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2]) << 16
            | UInt32(self[offset + 3]) << 24
    }
}
