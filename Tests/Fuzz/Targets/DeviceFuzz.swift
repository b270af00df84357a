import CCUSE
import CUSEDevice
import Glibc
import LineDiscipline
import Platform
import PortRuntime
import RFC2217
import SerialLine
import Synchronization
import SystemPackage
import TestSupport
import VirtualTTY

/// One device with a simulated kernel, in one thread: FUSE requests of all kinds, their interrupts, and events of the
/// server and the network between them. Every request is answered once, in the form that FUSE defines, with at most
/// as many bytes as requested; at the end the port holds no request.
enum DeviceFuzz {
    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            guard let bench = DeviceBench() else { throw Violation("no device") }
            var feed = Feed(bytes)
            bench.configure(&feed)
            for _ in 0..<150 where !feed.isEmpty { try bench.step(&feed) }
            try bench.end()
        }
    }
}

/// The device, its port, and both of their sides.
private final class DeviceBench {
    private let kernel: Descriptor
    private let port: Port
    private let device: CUSEDevice
    private let remote = MemoryRemote()
    private var nextUnique: UInt64 = 0
    private var asked = 0
    /// What waits for an answer, by its number.
    private var pending: [UInt64: Pending] = [:]
    private var files: [UInt64] = []
    /// Room for the longest answer: a read's.
    private var buffer = [UInt8](repeating: 0, count: 132_000)

    private struct Pending {
        let opcode: UInt32
        /// Most bytes that the answer may have.
        let limit: Int
        /// An ioctl, to be asked again with the bytes of its argument.
        var ioctl: (file: UInt64, command: UInt32, argument: UInt64, isCompat: Bool, data: UInt8)?
        /// The ioctl is asked again already.
        var isSecond = false
    }

    init?() {
        fuse_set_log_func { _, _, _ in }
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            return nil
        }
        kernel = Descriptor(owning: ends[0])
        var size: Int32 = 1 << 22
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
        var configuration = PortConfiguration()
        configuration.logLevel = .error
        configuration.servers = [Endpoint(host: "192.0.2.1", port: 1)]
        configuration.connectTimeout = .seconds(3600)
        configuration.lossTimeout = nil
        port = Port(configuration: configuration) { _, _ in }
        guard let name = try? DeviceName("ttyFuzz7"),
            let device = try? CUSEDevice(
                name: name, major: 199, minor: 7, channel: Descriptor(owning: ends[1]), port: port)
        else { return nil }
        self.device = device
        port.attach(kernel: device, remote: remote)
        ask(4096, numbers(7, 38, 0, 1), Pending(opcode: 4096, limit: 256))
    }

    deinit {
        // The port holds the device: let it go.
        port.attach(kernel: Unattached(), remote: MemoryRemote())
    }

    /// Most inputs begin with a connection and two files, so that what follows gets somewhere.
    func configure(_ feed: inout Feed) {
        let choice = feed.byte()
        remote.sendsShort = choice & 4 != 0
        remote.echoes = choice & 8 != 0
        try? serve()
        guard choice & 1 == 0 else { return }
        for _ in 0..<2 { ask(14, numbers(UInt32(O_RDWR) | (choice & 2 != 0 ? UInt32(O_NONBLOCK) : 0), 0)) }
        try? serve()
        for _ in 0..<12 { work() }
        try? serve()
    }

    // MARK: The kernel

    private func numbers(_ numbers: UInt32...) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers { bytes.appendLittleEndian(number) }
        return bytes
    }

    private func wide(_ number: UInt64) -> [UInt8] {
        numbers(UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
    }

    private func ask(_ opcode: UInt32, _ payload: [UInt8], _ pending: Pending? = nil) {
        nextUnique += 2
        self.pending[nextUnique] = pending ?? Pending(opcode: opcode, limit: 16)
        asked += 1
        send(opcode, nextUnique, payload)
    }

    /// struct fuse_in_header and the payload behind it.
    private func send(_ opcode: UInt32, _ unique: UInt64, _ payload: [UInt8]) {
        put(numbers(UInt32(40 + payload.count), opcode) + wide(unique) + wide(0) + numbers(0, 0, 0, 0) + payload)
    }

    private func put(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Glibc.send(kernel.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Lets the device take all that was asked, and looks at its answers.
    private func serve() throws(Violation) {
        // A message shorter than a header ends the device's loop.
        put([0])
        device.run {}
        while true {
            let count = buffer.withUnsafeMutableBytes {
                recv(kernel.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
            }
            guard count > 0 else { return }
            try take(Array(buffer[..<count]))
        }
    }

    /// struct fuse_out_header and the payload behind it.
    private func take(_ message: [UInt8]) throws(Violation) {
        try Violation.unless(message.count >= 16, "a message of \(message.count) bytes")
        let error = Int32(bitPattern: message.littleEndian(4))
        let unique = UInt64(message.littleEndian(8)) | UInt64(message.littleEndian(12)) << 32
        try Violation.unless(Int(message.littleEndian(0)) == message.count, "a message that lies about its length")
        let payload = Array(message[16...])
        // FUSE_NOTIFY_POLL, and EAGAIN to an interrupt, are no answers.
        if unique == 0 { return try Violation.unless(error == 1 && payload.count == 8, "notification \(error)") }
        if unique & 1 == 1 { return try Violation.unless(error == -EAGAIN, "an interrupt answered with \(error)") }
        guard let request = pending.removeValue(forKey: unique) else {
            throw Violation("request \(unique) was answered before, or never asked")
        }
        try Violation.unless(error <= 0 && error > -512, "error \(error)")
        if error != 0 { return try Violation.unless(payload.isEmpty, "an error with \(payload.count) bytes") }
        try check(request, payload)
    }

    private func check(_ request: Pending, _ payload: [UInt8]) throws(Violation) {
        switch request.opcode {
        case 14:
            try Violation.unless(payload.count == 16, "an open of \(payload.count) bytes")
            files.append(UInt64(payload.littleEndian(0)) | UInt64(payload.littleEndian(4)) << 32)
        case 15: try Violation.unless(payload.count <= request.limit, "\(payload.count) bytes read of \(request.limit)")
        case 16:
            try Violation.unless(payload.count == 8, "a write answered with \(payload.count) bytes")
            let count = Int(payload.littleEndian(0))
            try Violation.unless(count <= request.limit, "\(count) bytes written of \(request.limit)")
        case 39: try checkIoctl(request, payload)
        case 40: try Violation.unless(payload.count == 8, "a poll answered with \(payload.count) bytes")
        case 4096: break
        default: try Violation.unless(payload.isEmpty, "opcode \(request.opcode): \(payload.count) bytes")
        }
    }

    /// struct fuse_ioctl_out: result, flags, stretches in and out; then they, or the bytes.
    private func checkIoctl(_ request: Pending, _ payload: [UInt8]) throws(Violation) {
        try Violation.unless(payload.count >= 16, "an ioctl answered with \(payload.count) bytes")
        guard payload.littleEndian(4) & 4 != 0 else {
            return try Violation.unless(
                payload.count - 16 <= request.limit, "an ioctl gives \(payload.count - 16) bytes of \(request.limit)")
        }
        let stretches = (Int(payload.littleEndian(8)), Int(payload.littleEndian(12)))
        guard let ioctl = request.ioctl, !request.isSecond else { throw Violation("an ioctl asks again and again") }
        try Violation.unless(
            stretches.0 <= 1 && stretches.1 <= 1 && payload.count == 16 + 16 * (stretches.0 + stretches.1),
            "an ioctl asks for \(stretches) in \(payload.count) bytes")
        let sizeIn = stretches.0 == 1 ? Int(payload.littleEndian(24)) : 0
        let sizeOut = stretches.1 == 1 ? Int(payload.littleEndian(16 + 16 * stretches.0 + 8)) : 0
        try Violation.unless(sizeIn <= 4096 && sizeOut <= 4096, "an ioctl of \(sizeIn) and \(sizeOut) bytes")
        // The argument's bytes: all alike, or counted up, or settings of a terminal.
        var data = (0..<sizeIn).map { ioctl.data &* UInt8(truncatingIfNeeded: $0 &+ 1) }
        if ioctl.data & 1 == 1 { data = Array((Termios().bytes2 + data).prefix(sizeIn)) }
        if ioctl.data & 3 == 3, sizeIn > 0 { data[Int(ioctl.data >> 2) % sizeIn] ^= ioctl.data }
        var second = Pending(opcode: 39, limit: sizeOut)
        second.ioctl = ioctl
        second.isSecond = true
        askIoctl(ioctl, data, sizeOut, second)
        try serve()
    }

    private func askIoctl(
        _ ioctl: (file: UInt64, command: UInt32, argument: UInt64, isCompat: Bool, data: UInt8), _ data: [UInt8],
        _ sizeOut: Int, _ pending: Pending
    ) {
        ask(
            39,
            wide(ioctl.file) + numbers(ioctl.isCompat ? 2 | 1 | 8 : 2, ioctl.command) + wide(ioctl.argument)
                + numbers(UInt32(data.count), UInt32(sizeOut)) + data, pending)
    }

    // MARK: Steps

    private func file(_ feed: inout Feed) -> UInt64 {
        let choice = Int(feed.byte())
        // Now and then a file that is closed, or never was.
        return files.isEmpty || choice == 255 ? UInt64(choice) : files[choice % files.count]
    }

    func step(_ feed: inout Feed) throws(Violation) {
        let choice = feed.byte()
        switch choice % 16 {
        case 0: ask(14, numbers(UInt32(O_RDWR) | (choice & 0x80 != 0 ? UInt32(O_NONBLOCK) : 0), 0))
        case 1:
            let file = file(&feed)
            if let index = files.firstIndex(of: file) {
                files.remove(at: index)
                ask(18, wide(file) + numbers(UInt32(O_RDWR), 0) + wide(0))
            }
        case 2, 3:
            let size = feed.pick([0, 1, 2, 16, 255, 4095, 4096, 131_072])
            let flags = UInt32(choice & 0x40 != 0 ? O_NONBLOCK : 0)
            ask(
                15, wide(file(&feed)) + wide(0) + numbers(UInt32(size), 0) + wide(0) + numbers(flags, 0),
                Pending(opcode: 15, limit: size))
        case 4, 5:
            let flags = UInt32(choice & 0x40 != 0 ? O_NONBLOCK : 0)
            let target = file(&feed)
            let data = choice & 0x80 != 0 ? [UInt8](repeating: feed.byte(), count: Int(feed.byte()) * 32) : feed.piece()
            ask(
                16, wide(target) + wide(0) + numbers(UInt32(data.count), 0) + wide(0) + numbers(flags, 0) + data,
                Pending(opcode: 16, limit: data.count))
        case 6, 7, 8: ioctl(choice, &feed)
        case 9:
            let target = file(&feed)
            ask(40, wide(target) + wide(target + 0x1000) + numbers(choice & 0x20 != 0 ? 1 : 0, UInt32(feed.byte())))
        case 10:
            let waiting = pending.keys.sorted()
            let index = Int(feed.byte())
            if !waiting.isEmpty {
                let unique = waiting[index % waiting.count]
                send(36, unique | 1, wide(unique))
            }
        case 11: far(&feed)
        case 12: network(choice, &feed)
        default:
            try serve()
            for _ in 0..<Int(choice >> 4) { work() }
        }
        if choice & 0x10 != 0 || asked % 20 == 0 { try serve() }
    }

    private func ioctl(_ choice: UInt8, _ feed: inout Feed) {
        let command = choice & 0x80 != 0 && choice & 0x40 != 0 ? feed.number() : feed.pick(Ioctl.allCases).rawValue
        let argument = choice & 0x20 != 0 ? UInt64(feed.byte()) : 0x7F00_0000_1000
        let ioctl = (
            file: file(&feed), command: command, argument: argument, isCompat: choice & 0x80 != 0, data: feed.byte()
        )
        var pending = Pending(opcode: 39, limit: 0)
        pending.ioctl = ioctl
        askIoctl(ioctl, [], 0, pending)
    }

    /// The server, or somebody in its place, says something.
    private func far(_ feed: inout Feed) {
        switch feed.byte() % 4 {
        case 0:
            let lines = ModemLines(rawValue: UInt32(feed.byte()) << 5)
            remote.serve { $0.setLines(lines, now: .now) }
        case 1:
            let bytes = feed.piece()
            remote.serve { $0.send(bytes) }
        case 2:
            let raw = feed.piece()
            remote.inbound.append(raw)
        default:
            let state = LineState(rawValue: feed.byte())
            remote.serve { $0.send(.notifyLineState(state)) }
        }
        work()
    }

    private func network(_ choice: UInt8, _ feed: inout Feed) {
        let number = port.look { $0.connection }
        switch feed.byte() % 6 {
        case 0: port.withTTY { $0.connectionLost(number, "lost") }
        case 1: port.withTTY { $0.connectFailed(number, .connectionRefused) }
        case 2: port.resumeSending()
        case 3: port.withTTY { $0.advance() }
        case 4: remote.isBlocked.toggle()
        default: if choice & 0x80 != 0 { port.withTTY { $0.retire() } } else { port.withTTY { _ = $0.keep() } }
        }
    }

    /// Does one thing that a connection's threads would do.
    private func work() {
        if let command = remote.command {
            remote.command = nil
            switch command {
            case .lookUp(let number, let server):
                port.withTTY {
                    $0.lookedUp(number, server, .success([ServerAddress(bytes: [], description: "memory")]))
                }
            case .connect(let number, _):
                remote.connect()
                port.withTTY { $0.connected(number, to: "memory") }
            case .disconnect(let number, _):
                remote.disconnect()
                port.withTTY { $0.disconnected(number) }
            }
            return
        }
        guard !remote.inbound.isEmpty, port.look({ $0.wantsToReceive(isPausing: false) }) else { return }
        let bytes = remote.inbound.removeFirst()
        port.withTTY { $0.receive(bytes.span, connection: $0.connection) }
    }

    /// Nothing is parked any more, or it is answered now.
    func end() throws(Violation) {
        try serve()
        port.withTTY { $0.shutDown() }
        try serve()
        try Violation.unless(pending.isEmpty, "\(pending.count) requests without an answer: \(pending.values)")
        try Violation.unless(port.look { $0.parkedCount } == 0, "requests are parked")
        // CUSE_INIT is the library's own.
        try Violation.unless(
            device.receivedCount == device.answeredCount && device.receivedCount == asked - 1,
            "\(asked) asked, \(device.receivedCount) received, \(device.answeredCount) answered")
    }
}

/// The remote side without threads: a server in memory, which the bench drives.
private final class MemoryRemote: RemoteSide, @unchecked Sendable {
    var command: RemoteCommand?
    var inbound: [[UInt8]] = []
    var sendsShort = false
    var echoes = false
    var isBlocked = false
    private var server: ServerPlayer?

    func carryOut(_ command: RemoteCommand) { self.command = command }

    func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int {
        let count = isBlocked ? 0 : sendsShort ? (bytes.count + 1) / 2 : bytes.count
        var taken: [UInt8] = []
        taken.append(contentsOf: bytes, 0..<count)
        let echoes = echoes
        serve {
            $0.receive(taken, now: .now)
            if echoes { $0.send($0.data) }
            $0.forget()
        }
        return count
    }

    var unacknowledged: Int { 0 }
    var lifeSigns: LifeSigns { .quiet }
    func schedule(_ deadline: MonotonicTime?) {}

    func connect() {
        inbound.removeAll()
        server = ServerPlayer(now: .now)
        serve { _ in }
    }

    func disconnect() {
        server = nil
        inbound.removeAll()
    }

    func serve(_ body: (inout ServerPlayer) -> Void) {
        guard var server else { return }
        body(&server)
        if !server.output.isEmpty { inbound.append(server.output) }
        server.output.removeAll()
        self.server = server
    }
}

/// Ends both sides of a port.
private final class Unattached: KernelSide {
    func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>) {}
    func notifyPoll(_ file: FileID) {}
}

extension [UInt8] {
    fileprivate func littleEndian(_ offset: Int) -> UInt32 {
        offset + 4 <= count ? span.littleEndian32(at: offset) : 0
    }
}
