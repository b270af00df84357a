import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// Why a test cannot go on.
struct BenchError: Error { let what: String }

// Calls of programs, as the kernel passes them on.
extension PortBench {
    func open(nonBlocking: Bool = false, isAdministrator: Bool = false) -> RequestID {
        let id = newRequest()
        tell { $0.open(id, nonBlocking: nonBlocking) { isAdministrator } }
        return id
    }

    /// Opens, and waits up to ten seconds of the bench's time for it.
    func openFile(nonBlocking: Bool = false) throws -> FileID {
        let id = open(nonBlocking: nonBlocking)
        if outcome(id) == nil { advance(.seconds(10)) }
        guard case .opened(let file) = outcome(id) else { throw BenchError(what: "no open: \(outcome(id) as Any)") }
        return file
    }

    /// Opens, in raw mode with these VMIN and VTIME, and forgets what was said for it.
    func openRaw(min: UInt8 = 1, time: UInt8 = 0) throws -> FileID {
        let file = try openFile()
        try setRaw(file, min: min, time: time)
        server?.forget()
        segments.removeAll()
        return file
    }

    func setRaw(_ file: FileID, min: UInt8 = 1, time: UInt8 = 0) throws {
        try change(file) { termios in
            termios.iflag = []
            termios.oflag = []
            termios.lflag = []
            termios[.VMIN] = min
            termios[.VTIME] = time
        }
    }

    func release(_ file: FileID) -> RequestID {
        let id = newRequest()
        tell { $0.release(id, file) }
        return id
    }

    func read(_ file: FileID, _ count: Int = 4096, nonBlocking: Bool = false) -> RequestID {
        let id = newRequest()
        tell { $0.read(id, file, count: count, nonBlocking: nonBlocking) }
        return id
    }

    func write(_ file: FileID, _ bytes: [UInt8], nonBlocking: Bool = false) -> RequestID {
        let id = newRequest()
        tell { $0.write(id, file, bytes.span, nonBlocking: nonBlocking) }
        return id
    }

    func poll(_ file: FileID, _ events: UInt32 = 0x145, notifies: Bool = false) -> RequestID {
        let id = newRequest()
        tell { $0.poll(id, file, events: events, notifies: notifies) }
        return id
    }

    /// What poll(2) would see at once, without waiting.
    func readiness(_ file: FileID) -> UInt32 {
        if case .poll(let events) = outcome(poll(file)) { events } else { 0 }
    }

    func interrupt(_ id: RequestID) { tell { $0.interrupt(id) } }

    func call(
        _ file: FileID, _ command: UInt32, value: UInt64 = 0, _ argument: [UInt8] = [], outSize: Int = 0,
        isCompat: Bool = false, isAdministrator: Bool = false, isNetworkAdministrator: Bool = false
    ) -> RequestID {
        call(
            file, IoctlCall(command: command, argument: value, outSize: outSize, isCompat: isCompat), argument,
            holding: Set<Capability>(isAdministrator ? [.sysAdmin, .checkpointRestore] : [])
                .union(isNetworkAdministrator ? [.netAdmin] : []))
    }

    /// One pass of an ioctl, by a caller who holds these capabilities.
    func call(_ file: FileID, _ call: IoctlCall, _ argument: [UInt8], holding: Set<Capability>) -> RequestID {
        let id = newRequest()
        tell { $0.ioctl(id, file, call, argument: argument.span) { holding.contains($0) } }
        return id
    }

    /// An ioctl whose argument is a value or nothing.
    func ioctl(_ file: FileID, _ ioctl: Ioctl, value: UInt64 = 0) -> RequestID {
        call(file, ioctl.rawValue, value: value)
    }

    /// The last pass of an ioctl whose argument is in memory.
    func ioctl(_ file: FileID, _ ioctl: Ioctl, _ argument: [UInt8], isAdministrator: Bool = false) -> RequestID {
        call(
            file, ioctl.rawValue, value: 0x1000, argument, outSize: ioctl.copies.out, isAdministrator: isAdministrator)
    }

    /// What an ioctl that only asks answers.
    func get(_ file: FileID, _ ioctl: Ioctl) throws -> [UInt8] {
        let outcome = outcome(self.ioctl(file, ioctl, []))
        guard case .ioctl(let bytes) = outcome else { throw BenchError(what: "\(ioctl): \(outcome as Any)") }
        return bytes
    }

    func number(_ file: FileID, _ ioctl: Ioctl) throws -> UInt32 { try get(file, ioctl).number }

    func lines(_ file: FileID) throws -> ModemLines { ModemLines(rawValue: try number(file, .TIOCMGET)) }

    func setLines(_ file: FileID, _ ioctl: Ioctl, _ lines: ModemLines) -> RequestID {
        self.ioctl(file, ioctl, lines.rawValue.littleEndian)
    }

    func termios(_ file: FileID) throws -> Termios {
        let bytes = try get(file, .TCGETS2)
        guard let termios = Termios().overlaid(with: bytes.span) else { throw BenchError(what: "bad termios") }
        return termios
    }

    func set(_ file: FileID, _ ioctl: Ioctl = .TCSETS2, _ change: (inout Termios) -> Void) throws -> RequestID {
        var termios = try termios(file)
        change(&termios)
        let bytes =
            switch ioctl.copies.in {
            case Termios.size2: termios.bytes2
            case Termios.size: termios.bytes
            default: termios.termioBytes
            }
        return self.ioctl(file, ioctl, bytes)
    }

    /// Sets and waits up to two seconds of the bench's time for it.
    func change(_ file: FileID, _ ioctl: Ioctl = .TCSETS2, _ change: (inout Termios) -> Void) throws {
        let id = try set(file, ioctl, change)
        if outcome(id) == nil { advance(.seconds(2)) }
        guard outcome(id) == .ioctl([]) else { throw BenchError(what: "\(ioctl): \(outcome(id) as Any)") }
    }
}

extension [UInt8] {
    /// The bytes of a text.
    init(_ text: String) { self = Array(text.utf8) }

    /// The 32-bit number at the front.
    var number: UInt32 { number(at: 0) }

    /// The 32-bit number at `offset`. (The testing macros take no spans.)
    func number(at offset: Int) -> UInt32 { span.littleEndian32(at: offset) }
}

extension UInt32 {
    var littleEndian: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(self)
        return bytes
    }
}

/// Runs `body` with a port of its own; afterwards every request must have been answered once, or be parked.
func withPort(
    _ configure: (inout PortConfiguration) -> Void = { _ in }, _ body: (PortBench) throws -> Void
) throws {
    let port = PortBench(configure)
    try body(port)
    port.checkAnswers()
}

/// Runs `body` with a port opened raw, MIN and TIME set, and the time then.
func reading(
    min: UInt8, time: UInt8, _ body: (PortBench, FileID, MonotonicTime) throws -> Void
) throws {
    try withPort { port in
        let file = try port.openRaw(min: min, time: time)
        try body(port, file, port.clock.now)
    }
}
