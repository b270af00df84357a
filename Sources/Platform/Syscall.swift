import Glibc
import SystemPackage

/// Makes a system call: repeats it after EINTR, and throws the Errno of a result of −1. EBADF and EFAULT are defects
/// of this program, and stop it.
@discardableResult
package func syscall<Result: FixedWidthInteger & SignedInteger>(
    _ name: StaticString = #function, _ body: () -> Result
) throws(Errno) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let error = Errno(rawValue: errno)
        switch error {
        case .interrupted: continue
        case .badFileDescriptor, .badAddress: preconditionFailure("\(name): \(error)")
        default: throw error
        }
    }
}

/// A file descriptor with one owner, closed with it.
package struct Descriptor: ~Copyable, Sendable {
    package let raw: Int32

    /// Takes ownership of an open descriptor.
    package init(owning raw: Int32) {
        precondition(raw >= 0)
        self.raw = raw
    }

    /// Opens `path`, close-on-exec.
    package init(opening path: String, _ flags: Int32) throws(Errno) {
        raw = try syscall("open") { open(path, flags | O_CLOEXEC) }
    }

    deinit { close(raw) }

    /// Returns the descriptor without closing it.
    package consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }

    /// Reads available bytes, up to the buffer's size.
    /// - Returns: bytes read; 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        try syscall("read") { Glibc.read(raw, buffer.baseAddress, buffer.count) }
    }

    /// Writes some of `bytes`. On sockets, a closed peer causes the error EPIPE, and no signal.
    /// - Returns: bytes written.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
        try syscall("write") { Glibc.write(raw, bytes.baseAddress, bytes.count) }
    }

    /// Makes reads and writes fail with EAGAIN instead of blocking, or the reverse.
    package func setNonBlocking(_ on: Bool) throws(Errno) {
        let flags = try syscall("fcntl") { fcntl(raw, F_GETFL) }
        try syscall("fcntl") { fcntl(raw, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) }
    }
}

/// Waits until a descriptor has one of the requested events, or the time is over.
/// - Parameter nanoseconds: the longest wait; nil: no limit.
/// - Returns: number of descriptors with events.
@discardableResult
package func waitForEvents(_ descriptors: inout [pollfd], nanoseconds: UInt64?) throws(Errno) -> Int32 {
    // Rounded up, so that a deadline has passed when the wait ends.
    let milliseconds = nanoseconds.map { Int32(clamping: $0 / 1_000_000 + ($0 % 1_000_000 == 0 ? 0 : 1)) } ?? -1
    return try syscall("poll") { poll(&descriptors, nfds_t(descriptors.count), milliseconds) }
}
