import Glibc
import LineDiscipline
import Platform
import SerialLine
import SystemPackage
import VirtualTTY

// Common first calls of programs and tests.
extension KernelStub {
    /// Opens, and sets raw mode with these VMIN and VTIME.
    func openRaw(min: UInt8 = 1, time: UInt8 = 0) throws(Errno) -> File {
        let file = try open()
        var termios = Termios()
        termios.iflag = []
        termios.oflag = []
        termios.lflag = []
        termios[.VMIN] = min
        termios[.VTIME] = time
        // Fast enough that no drain is in the way.
        termios.cflag = termios.cflag.subtracting(.CBAUD).union(ControlFlags(rawValue: BaudCode.code(of: 4_000_000)))
        var memory = UserMemory(termios.bytes)
        if let error = ioctl(file, Ioctl.TCSETS.rawValue, UserMemory.base, &memory).error { throw error }
        return file
    }

    /// Reads until it has this many bytes; each read blocks.
    func readAll(_ file: File, _ count: Int) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let bytes = try read(file, count - all.count)
            if bytes.isEmpty { break }
            all += bytes
        }
        return all
    }

    /// Writes all of it; each write blocks.
    func writeAll(_ file: File, _ bytes: [UInt8]) throws(Errno) -> Int {
        var offset = 0
        while offset < bytes.count {
            let count = try write(file, Array(bytes[offset..<min(offset + 70_001, bytes.count)]))
            if count == 0 { break }
            offset += count
        }
        return offset
    }

    func number(_ file: File, _ ioctl: Ioctl) -> UInt32 {
        var memory = UserMemory([0, 0, 0, 0])
        self.ioctl(file, ioctl.rawValue, UserMemory.base, &memory)
        return memory.bytes.number(at: 0)
    }
}

/// Waits until `ready`, which is asked again and again.
/// - Returns: the last result of `ready`.
func eventually(seconds: UInt64 = 20, _ ready: () -> Bool) -> Bool {
    let deadline = MonotonicTime.now + .seconds(seconds)
    while MonotonicTime.now < deadline {
        if ready() { return true }
        usleep(2000)
    }
    return ready()
}
