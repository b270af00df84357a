import Glibc

/// The messages of FUSE's and CUSE's kernel interface (<linux/fuse.h>, 7.31), written by hand: little-endian, field by
/// field.
enum FuseOpcode: UInt32 {
    case open = 14
    case read = 15
    case write = 16
    case release = 18
    case interrupt = 36
    case ioctl = 39
    case poll = 40
    case cuseInit = 4096
}

/// struct fuse_in_header (40 bytes) and the payload behind it.
struct FuseRequest {
    let opcode: FuseOpcode
    let unique: UInt64
    var uid: UInt32 = 0
    var pid: UInt32 = 0
    let payload: [UInt8]

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: UInt32(40 + payload.count))  // len
        bytes.append(number: opcode.rawValue)
        bytes.append(number: unique)
        bytes.append(number: UInt64(0))  // nodeid
        bytes.append(number: uid)
        bytes.append(number: UInt32(0))  // gid
        bytes.append(number: pid)
        bytes.append(number: UInt32(0))  // total_extlen, padding
        return bytes + payload
    }
}

/// struct fuse_out_header (16 bytes) and the payload behind it.
struct FuseReply {
    /// 0 for a notification.
    let unique: UInt64
    /// 0, a negative error number, or a notification's code.
    let error: Int32
    let payload: [UInt8]

    /// nil if the bytes are not a message.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16, Int(bytes.number(at: 0) as UInt32) == bytes.count else { return nil }
        error = bytes.number(at: 4)
        unique = bytes.number(at: 8)
        payload = Array(bytes[16...])
    }
}

/// What requests carry.
enum FusePayload {
    /// struct cuse_init_in: the kernel's version, and that ioctls are unrestricted.
    static let cuseInit: [UInt8] = numbers(7, 38, 0, 1)

    /// struct fuse_open_in.
    static func open(flags: UInt32) -> [UInt8] { numbers(flags, 0) }

    /// struct fuse_read_in.
    static func read(_ fh: UInt64, size: Int, flags: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: fh)
        bytes.append(number: UInt64(0))  // offset
        bytes.append(number: UInt32(size))
        bytes.append(number: UInt32(0))  // read_flags
        bytes.append(number: UInt64(0))  // lock_owner
        return bytes + numbers(flags, 0)
    }

    /// struct fuse_write_in, and the data.
    static func write(_ fh: UInt64, _ data: [UInt8], flags: UInt32) -> [UInt8] {
        read(fh, size: data.count, flags: flags) + data
    }

    /// struct fuse_release_in.
    static func release(_ fh: UInt64, flags: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: fh)
        bytes.append(number: flags)
        bytes.append(number: UInt32(0))  // release_flags
        bytes.append(number: UInt64(0))  // lock_owner
        return bytes
    }

    /// struct fuse_ioctl_in and the bytes copied in.
    static func ioctl(
        _ fh: UInt64, _ command: UInt32, _ argument: UInt64, _ data: [UInt8], outSize: Int, isCompat: Bool = false
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: fh)
        // flags: FUSE_IOCTL_UNRESTRICTED; of a 32-bit program's FUSE_IOCTL_COMPAT and FUSE_IOCTL_32BIT too
        bytes.append(number: UInt32(isCompat ? 2 | 1 | 8 : 2))
        bytes.append(number: command)
        bytes.append(number: argument)
        bytes.append(number: UInt32(data.count))
        bytes.append(number: UInt32(outSize))
        return bytes + data
    }

    /// struct fuse_poll_in.
    static func poll(_ fh: UInt64, kh: UInt64, schedulesNotify: Bool, events: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: fh)
        bytes.append(number: kh)
        return bytes + numbers(schedulesNotify ? 1 : 0, events)
    }

    /// struct fuse_interrupt_in.
    static func interrupt(_ unique: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: unique)
        return bytes
    }

    private static func numbers(_ numbers: UInt32...) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers { bytes.append(number: number) }
        return bytes
    }
}

extension [UInt8] {
    /// Appends a number, low byte first.
    mutating func append(number: some FixedWidthInteger) {
        var rest = UInt64(truncatingIfNeeded: number)
        for _ in 0..<number.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// The number at `offset`, low byte first; 0 if the payload is too short.
    func number<Number: FixedWidthInteger>(at offset: Int) -> Number {
        let size = Number.bitWidth / 8
        guard offset + size <= count else { return 0 }
        var value: UInt64 = 0
        for index in (0..<size).reversed() { value = value << 8 | UInt64(self[offset + index]) }
        return Number(truncatingIfNeeded: value)
    }
}
