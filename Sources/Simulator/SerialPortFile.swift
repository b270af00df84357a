import CLinux
import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// An open serial port of this machine: the ioctls of tty_ioctl(4).
final class SerialPortFile {
    let descriptor: Descriptor
    /// Whether it has modem lines; a pty does not.
    let hasLines: Bool

    /// Constants of kernel headers that glibc's lack, by their names.
    private static let constants: [String: UInt32] = {
        var count: Int32 = 0
        let table = UnsafeBufferPointer(start: clinux_constants(&count), count: Int(count))
        return Dictionary(table.map { (String(cString: $0.name), $0.value) }) { first, _ in first }
    }()

    private static func kernel(_ name: String) -> UInt32 {
        guard let value = constants[name] else { preconditionFailure("no constant \(name)") }
        return value
    }

    private static let get = kernel("TCGETS2")
    private static let set = kernel("TCSETS2")
    private static let otherBaud = kernel("BOTHER")
    private static let baudBits = kernel("CBAUD") | kernel("CIBAUD")
    private static let sizeBits = kernel("CSIZE")
    private static let parityBits = kernel("PARENB") | kernel("PARODD") | kernel("CMSPAR")
    private static let stopBit = kernel("CSTOPB")
    private static let hardwareFlow = kernel("CRTSCTS")

    init(_ path: String) throws(Errno) {
        descriptor = try Descriptor(opening: path, O_RDWR | O_NOCTTY | O_NONBLOCK)
        var lines: Int32 = 0
        hasLines = clinux_ioctl_pointer(descriptor.raw, UInt(TIOCMGET), &lines) == 0
    }

    private func control<T: BitwiseCopyable>(_ name: StaticString, _ request: UInt32, _ argument: inout T) throws(Errno)
    {
        try syscall(name) { clinux_ioctl_pointer(descriptor.raw, UInt(request), &argument) }
    }

    /// Applies all line settings; bytes pass unchanged, and bad ones are marked.
    /// - Returns: the settings that the driver uses.
    func apply(_ settings: LineSettings) throws(Errno) -> LineSettings {
        var termios = clinux_termios2()
        try control("TCGETS2", Self.get, &termios)
        termios.c_iflag = Self.inputFlags(settings)
        termios.c_oflag = 0
        termios.c_lflag = 0
        termios.c_cflag = Self.controlFlags(settings)
        termios.c_ispeed = settings.baud
        termios.c_ospeed = settings.baud
        withUnsafeMutableBytes(of: &termios.c_cc) { characters in
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
            characters[Int(VSTART)] = 0x11
            characters[Int(VSTOP)] = 0x13
        }
        try control("TCSETS2", Self.set, &termios)
        try control("TCGETS2", Self.get, &termios)
        return Self.settings(termios, asked: settings)
    }

    private static func inputFlags(_ settings: LineSettings) -> UInt32 {
        var flags = UInt32(PARMRK)
        if settings.parity != .none { flags |= UInt32(INPCK) }
        if settings.flow == .xonXoff { flags |= UInt32(IXON) }
        if settings.inboundFlow == .xonXoff { flags |= UInt32(IXOFF) }
        return flags
    }

    private static func controlFlags(_ settings: LineSettings) -> UInt32 {
        var flags = UInt32(CREAD) | UInt32(CLOCAL) | otherBaud
        flags |= [UInt32(CS5), UInt32(CS6), UInt32(CS7), UInt32(CS8)][Int(settings.dataBits.rawValue) - 5]
        switch settings.parity {
        case .none: break
        case .odd: flags |= kernel("PARENB") | kernel("PARODD")
        case .even: flags |= kernel("PARENB")
        case .mark: flags |= kernel("PARENB") | kernel("PARODD") | kernel("CMSPAR")
        case .space: flags |= kernel("PARENB") | kernel("CMSPAR")
        }
        // With five data bits, two stop bits mean one and a half.
        if settings.stopBits != .one { flags |= stopBit }
        if settings.flow == .hardware || settings.inboundFlow == .hardware { flags |= hardwareFlow }
        return flags
    }

    /// The settings that the driver reports, which may differ from the requested ones.
    private static func settings(_ termios: clinux_termios2, asked: LineSettings) -> LineSettings {
        var settings = asked
        let flags = termios.c_cflag
        settings.baud = max(termios.c_ospeed, 1)
        let size = [UInt32(CS5), UInt32(CS6), UInt32(CS7), UInt32(CS8)].firstIndex(of: flags & sizeBits) ?? 3
        settings.dataBits = DataBits(rawValue: UInt8(size + 5)) ?? asked.dataBits
        let isOdd = flags & kernel("PARODD") != 0
        switch (flags & kernel("PARENB") != 0, flags & kernel("CMSPAR") != 0) {
        case (false, _): settings.parity = .none
        case (true, false): settings.parity = isOdd ? .odd : .even
        case (true, true): settings.parity = isOdd ? .mark : .space
        }
        settings.stopBits = flags & stopBit == 0 ? .one : settings.dataBits == .five ? .oneAndHalf : .two
        if flags & hardwareFlow == 0 {
            if settings.flow == .hardware { settings.flow = .none }
            if settings.inboundFlow == .hardware { settings.inboundFlow = .none }
        }
        return settings
    }

    /// TIOCMGET, limited to the lines that the far end drives.
    func inputs() throws(Errno) -> ModemLines {
        var bits: Int32 = 0
        try control("TIOCMGET", UInt32(TIOCMGET), &bits)
        return ModemLines(rawValue: UInt32(bitPattern: bits)).intersection(.inputs)
    }

    /// TIOCMBIS or TIOCMBIC.
    func setOutputs(_ lines: ModemLines, _ on: Bool) throws(Errno) {
        var bits = Int32(bitPattern: lines.rawValue)
        try control(on ? "TIOCMBIS" : "TIOCMBIC", UInt32(on ? TIOCMBIS : TIOCMBIC), &bits)
    }

    func setBreak(_ on: Bool) throws(Errno) {
        try syscall(on ? "TIOCSBRK" : "TIOCCBRK") {
            clinux_ioctl_value(descriptor.raw, UInt(on ? TIOCSBRK : TIOCCBRK), 0)
        }
    }

    func flush(_ buffers: PurgeBuffers) throws(Errno) {
        let queue = buffers == .both ? TCIOFLUSH : buffers == .receive ? TCIFLUSH : TCOFLUSH
        try syscall("TCFLSH") { tcflush(descriptor.raw, queue) }
    }

    func setRS485(_ on: Bool) throws(Errno) {
        // struct serial_rs485: flags, two delays and padding, 32 bytes.
        var words = [UInt32](repeating: 0, count: MemoryLayout<serial_rs485>.size / 4)
        words[0] = on ? Self.kernel("SER_RS485_ENABLED") | Self.kernel("SER_RS485_RTS_ON_SEND") : 0
        try syscall("TIOCSRS485") { clinux_ioctl_pointer(descriptor.raw, UInt(Self.kernel("TIOCSRS485")), &words) }
    }

    /// TIOCGICOUNT; nil if the driver does not count.
    func counters() -> LineCounters? {
        var raw = serial_icounter_struct()
        guard clinux_ioctl_pointer(descriptor.raw, UInt(Self.kernel("TIOCGICOUNT")), &raw) == 0 else { return nil }
        var counters = LineCounters()
        counters.parity = UInt32(bitPattern: raw.parity)
        counters.framing = UInt32(bitPattern: raw.frame)
        counters.breaks = UInt32(bitPattern: raw.brk)
        counters.overrun = UInt32(bitPattern: raw.overrun)
        return counters
    }
}
