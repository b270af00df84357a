import Glibc
import KernelDiscipline
import LineDiscipline
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// The hidden pseudo-terminal, on this host: with N_NULL, which every kernel has, and with N_TTY in the place of a
/// discipline that moves bytes. (Tests/Clients has PPP, SLIP and SocketCAN.)
@Suite(.serialized) struct DisciplineHostTests {
    private static let null: UInt32 = 27

    /// TIOCSETD's error, nil for none.
    private func set(_ rig: DeviceRig, _ file: KernelStub.File, _ number: UInt32) -> Errno? {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(number)
        var memory = UserMemory(bytes)
        return rig.kernel.ioctl(file, Ioctl.TIOCSETD.rawValue, UserMemory.base, &memory).error
    }

    /// Threads that lend lines: only this suite has any.
    private var threads: Int {
        guard let directory = opendir("/proc/self/task") else { return -1 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var text = [UInt8](repeating: 0, count: 32)
            guard let file = try? Descriptor(opening: "/proc/self/task/\(name)/comm", O_RDONLY) else { continue }
            let length = (try? text.withUnsafeMutableBytes { try file.read(into: $0) }) ?? 0
            if String(decoding: text.prefix(length), as: UTF8.self) == "discipline\n" { count += 1 }
        }
        return count
    }

    private func withHost(_ body: (DeviceRig, FakeRemote) throws -> Void) throws {
        try withFakeRemote(discipline: { port in
            let host = try DisciplineHost(port: port)
            return (host, { host.stop() })
        }) { rig, remote in try body(rig, remote) }
        let isOver = eventually { threads == 0 }
        #expect(isOver, "a thread is left")
    }

    /// The slave stays N_TTY, whatever is set.
    private func withNTTY(
        echoes: Bool = false, sendsShort: Bool = false, _ body: (DeviceRig, FakeRemote) throws -> Void
    ) throws {
        try withFakeRemote(
            echoes: echoes, sendsShort: sendsShort,
            discipline: { port in
                let host = try DisciplineHost(port: port)
                return (KeepingNTTY(host), { host.stop() })
            }
        ) { rig, remote in try body(rig, remote) }
    }

    @Test func aDisciplineOfThisKernelIsSetAndGivenUp() throws {
        try withHost { rig, _ in
            let file = try rig.kernel.openRaw()
            #expect(set(rig, file, Self.null) == nil)
            #expect(rig.kernel.number(file, .TIOCGETD) == Self.null)
            #expect(threads == 1)
            // It has neither.
            #expect(throws: Errno.notSupported) { try rig.kernel.read(file, 10) }
            #expect(throws: Errno.notSupported) { try rig.kernel.write(file, [1]) }
            #expect(set(rig, file, 0) == nil)
            #expect(rig.kernel.number(file, .TIOCGETD) == 0)
            // With nothing lent there is no thread.
            let isOver = eventually { threads == 0 }
            #expect(isOver)
        }
    }

    @Test func whatTheKernelRefusesIsPassedOn() throws {
        try withHost { rig, _ in
            let file = try rig.kernel.openRaw()
            #expect(set(rig, file, 29) == .invalidArgument)
            #expect(set(rig, file, Self.null) == nil)
            #expect(set(rig, file, 29) == .invalidArgument)
            #expect(rig.kernel.number(file, .TIOCGETD) == Self.null)
        }
    }

    @Test func theLastCloseGivesItUp() throws {
        try withHost { rig, _ in
            for _ in 0..<20 {
                let file = try rig.kernel.openRaw()
                #expect(set(rig, file, Self.null) == nil)
                rig.kernel.close(file)
                let again = try rig.kernel.openRaw()
                #expect(rig.kernel.number(again, .TIOCGETD) == 0)
                rig.kernel.close(again)
            }
        }
    }

    /// The pseudo-terminal runs full, and nothing more is received; its end does not wait for that.
    @Test func whatNobodyTakesHoldsTheServerBack() throws {
        try withNTTY { rig, remote in
            let file = try rig.kernel.openRaw()
            #expect(set(rig, file, Self.null) == nil)
            let piece = [UInt8](repeating: 0x55, count: 65536)
            // A server that stops when it is to, and goes on when it may, is stopped for good in the end.
            var stops = 0
            let isFull = eventually {
                let isWanted = rig.port.look { $0.wantsToReceive(isPausing: stops > 0) }
                stops = isWanted ? 0 : stops + 1
                if isWanted { remote.far { $0.send(piece) } }
                usleep(2000)
                return stops == 100
            }
            #expect(isFull)
            #expect(set(rig, file, 0) == nil)
            #expect(rig.kernel.number(file, .TIOCGETD) == 0)
            let bytes = try rig.kernel.readAll(file, 65536)
            #expect(bytes == piece)
        }
    }

    /// Bytes written to the slave go to the line, come back, and are read from the slave: all of them, in order, with
    /// a socket that takes only part of each write, and a reader that lets the pseudo-terminal fill up.
    @Test func allBytesPassBothWays() throws {
        try withNTTY(echoes: true, sendsShort: true) { rig, _ in
            let file = try rig.kernel.openRaw()
            #expect(set(rig, file, Self.null) == nil)
            var random = SplitMix64(seed: 5)
            let sent = random.bytes(1 << 20)
            let kernel = rig.kernel
            let writer = try Thread("writer", stackSize: 1 << 20) {
                var offset = 0
                while offset < sent.count {
                    let piece = Array(sent[offset..<min(offset + 3000, sent.count)])
                    if let count = try? kernel.write(file, piece) { offset += count } else { usleep(200) }
                }
            }
            // The slave, its buffer and the queues before it run full.
            usleep(200_000)
            var received: [UInt8] = []
            let isWhole = eventually(seconds: 60) {
                if let bytes = try? kernel.read(file, 4096) { received += bytes }
                return received.count >= sent.count
            }
            writer.join()
            #expect(isWhole, "\(received.count) of \(sent.count) bytes")
            #expect(received == sent)
        }
    }
}

/// Says that it has set what was asked for, and leaves the slave N_TTY, which can be written and read.
private final class KeepingNTTY: DisciplineSide {
    private let host: DisciplineHost

    init(_ host: DisciplineHost) { self.host = host }

    func call(_ id: RequestID, _ call: DisciplineCall) {
        if case .set = call { return host.call(id, .set(0, asNetworkAdministrator: false)) }
        host.call(id, call)
    }

    func feed() { host.feed() }
    func withdraw(discardingRest: Bool) { host.withdraw(discardingRest: discardingRest) }
}
