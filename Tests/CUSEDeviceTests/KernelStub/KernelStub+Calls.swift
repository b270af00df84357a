import Glibc
import Platform
import SerialLine
import SystemPackage
import Testing

// System calls as programs see them: what a FUSE kernel makes of each.
extension KernelStub {
    /// A file that is open: what the device calls it, and what the kernel does for poll(2).
    struct File: Sendable {
        let fh: UInt64
        var kh: UInt64 { fh + 0x1000 }
        var flags: UInt32 = UInt32(O_RDWR)

        var nonBlocking: File { File(fh: fh, flags: flags | UInt32(O_NONBLOCK)) }
    }

    /// CUSE_INIT.
    func initialize() -> FuseReply { wait(start(.cuseInit, FusePayload.cuseInit)) }

    func startOpen(nonBlocking: Bool = false) -> UInt64 {
        start(.open, FusePayload.open(flags: UInt32(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))))
    }

    /// What an open was answered with.
    func finishOpen(_ unique: UInt64) throws(Errno) -> File {
        let reply = wait(unique)
        guard reply.error == 0 else { throw Errno(rawValue: -reply.error) }
        // struct fuse_open_out: the handle, flags, padding.
        if reply.payload.count != 16 { Issue.record("open answered with \(reply.payload.count) bytes") }
        return File(fh: reply.payload.number(at: 0))
    }

    func open(nonBlocking: Bool = false) throws(Errno) -> File { try finishOpen(startOpen(nonBlocking: nonBlocking)) }

    func close(_ file: File) {
        let reply = wait(start(.release, FusePayload.release(file.fh, flags: file.flags)))
        if reply.error != 0 { Issue.record("release answered with \(reply.error)") }
    }

    func startRead(_ file: File, _ count: Int) -> UInt64 {
        start(.read, FusePayload.read(file.fh, size: count, flags: file.flags))
    }

    func finishRead(_ unique: UInt64, _ count: Int) throws(Errno) -> [UInt8] {
        let reply = wait(unique)
        guard reply.error == 0 else { throw Errno(rawValue: -reply.error) }
        if reply.payload.count > count { Issue.record("\(reply.payload.count) bytes read of \(count)") }
        return reply.payload
    }

    /// read(2): a full answer to a part of it is followed by the next part (fuse_direct_io).
    func read(_ file: File, _ count: Int) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let part = min(count - all.count, 131_072)
            let bytes: [UInt8]
            do {
                bytes = try finishRead(startRead(file, part), part)
            } catch {
                if all.isEmpty { throw error }
                break
            }
            all += bytes
            if bytes.count < part { break }
        }
        return all
    }

    func startWrite(_ file: File, _ bytes: [UInt8]) -> UInt64 {
        start(.write, FusePayload.write(file.fh, bytes, flags: file.flags))
    }

    func finishWrite(_ unique: UInt64) throws(Errno) -> Int {
        let reply = wait(unique)
        guard reply.error == 0 else { throw Errno(rawValue: -reply.error) }
        // struct fuse_write_out: size, padding.
        if reply.payload.count != 8 { Issue.record("write answered with \(reply.payload.count) bytes") }
        return Int(reply.payload.number(at: 0) as UInt32)
    }

    /// write(2) in parts; ends with a short one.
    func write(_ file: File, _ bytes: [UInt8]) throws(Errno) -> Int {
        var written = 0
        while written < bytes.count {
            let part = Array(bytes[written..<min(written + 131_072, bytes.count)])
            let count: Int
            do {
                count = try finishWrite(startWrite(file, part))
            } catch {
                if written == 0 { throw error }
                break
            }
            written += count
            if count < part.count { break }
        }
        return written
    }

    // ioctl(2).

    /// Most bytes either way, and most stretches of memory, in one ioctl (fuse_do_ioctl).
    private static let mostBytes = 32 * 4096
    private static let mostStretches = 256

    func startIoctl(
        _ file: File, _ command: UInt32, _ argument: UInt64, _ data: [UInt8] = [], outSize: Int = 0,
        isCompat: Bool = false
    ) -> UInt64 {
        start(.ioctl, FusePayload.ioctl(file.fh, command, argument, data, outSize: outSize, isCompat: isCompat))
    }

    /// ioctl(2), with all passes the device asks for, as fuse_do_ioctl makes them.
    /// - Returns: the result, and how many passes it took.
    @discardableResult
    func ioctl(
        _ file: File, _ command: UInt32, _ argument: UInt64, _ memory: inout UserMemory, isCompat: Bool = false
    ) -> (error: Errno?, passes: Int) {
        var data: [UInt8] = []
        var copyOut: [(address: UInt64, count: Int)] = []
        for pass in 1...4 {
            let outSize = copyOut.reduce(0) { $0 + $1.count }
            let reply = wait(startIoctl(file, command, argument, data, outSize: outSize, isCompat: isCompat))
            if reply.error != 0 {
                return (Errno(rawValue: reply.error == -ENOSYS ? ENOTTY : -reply.error), pass)
            }
            // struct fuse_ioctl_out: result, flags, in_iovs, out_iovs.
            guard reply.payload.count >= 16 else { return (.ioError, pass) }
            let result: Int32 = reply.payload.number(at: 0)
            let flags: UInt32 = reply.payload.number(at: 4)
            let rest = Array(reply.payload[16...])
            // FUSE_IOCTL_RETRY
            if flags & 4 == 0 {
                if rest.count > outSize { return (.ioError, pass) }
                return (finish(result, rest, copyOut, &memory), pass)
            }
            let ins = Int(reply.payload.number(at: 8) as UInt32)
            let outs = Int(reply.payload.number(at: 12) as UInt32)
            guard ins + outs <= Self.mostStretches else { return (.noMemory, pass) }
            guard rest.count == 16 * (ins + outs) else { return (.ioError, pass) }
            let stretches = (0..<ins + outs).map { index -> (address: UInt64, count: Int) in
                (rest.number(at: 16 * index), Int(rest.number(at: 16 * index + 8) as UInt64))
            }
            copyOut = Array(stretches[ins...])
            let copyIn = stretches[..<ins]
            for side in [Array(copyIn), copyOut] where side.reduce(0, { $0 + $1.count }) > Self.mostBytes {
                return (.noMemory, pass)
            }
            data = []
            for stretch in copyIn {
                guard let bytes = memory.read(stretch.address, stretch.count) else { return (.badAddress, pass) }
                data += bytes
            }
        }
        Issue.record("ioctl \(command) asks again and again")
        return (.ioError, 4)
    }

    private func finish(
        _ result: Int32, _ bytes: [UInt8], _ copyOut: [(address: UInt64, count: Int)], _ memory: inout UserMemory
    ) -> Errno? {
        var rest = bytes[...]
        for stretch in copyOut {
            let part = Array(rest.prefix(stretch.count))
            if !memory.write(stretch.address, part) { return .badAddress }
            rest = rest.dropFirst(part.count)
        }
        return result < 0 ? Errno(rawValue: -result) : nil
    }

    // poll(2).

    /// One FUSE_POLL.
    func poll(_ file: File, _ events: UInt32, schedulesNotify: Bool = false) -> UInt32 {
        let payload = FusePayload.poll(file.fh, kh: file.kh, schedulesNotify: schedulesNotify, events: events)
        let reply = wait(start(.poll, payload))
        // A failed request is POLLERR; struct fuse_poll_out: revents, padding.
        guard reply.error == 0, reply.payload.count == 8 else { return 8 }
        return reply.payload.number(at: 0) & (events | 0x18)
    }

    /// poll(2) that waits: asks, sleeps until notified, asks again.
    func pollWaiting(_ file: File, _ events: UInt32, seconds: UInt64 = 20) -> UInt32 {
        let deadline = MonotonicTime.now + .seconds(seconds)
        while MonotonicTime.now < deadline {
            let before = notifications(of: file)
            let ready = poll(file, events, schedulesNotify: true)
            if ready != 0 { return ready }
            let isNotified = state.wait(until: deadline) { state in
                state.isClosed || state.notified.count { $0 == file.kh } > before
            }
            if !isNotified || state.withLock({ $0.isClosed }) { return 0 }
        }
        return 0
    }

    func notifications(of file: File) -> Int { state.withLock { $0.notified.count { $0 == file.kh } } }
}
