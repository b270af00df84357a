import CLinux
import Glibc
import LineDiscipline
import TestSupport

/// A pseudo-terminal of the running kernel, with the kernel's own N_TTY as the reference. The slave is the program's
/// side; the master, which is raw, is the line: bytes written to it are received, bytes read from it are output.
final class KernelPTY {
    private let line: Int32
    private let program: Int32

    /// nil if the kernel provides none.
    init?() {
        let flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
        line = open("/dev/ptmx", flags)
        guard line >= 0 else { return nil }
        var isLocked: Int32 = 0
        let isUnlocked = clinux_ioctl_pointer(line, Self.number("TIOCSPTLCK"), &isLocked) == 0
        program = isUnlocked ? clinux_ioctl_value(line, Self.number("TIOCGPTPEER"), UInt(flags)) : -1
        guard program >= 0 else {
            close(line)
            return nil
        }
    }

    deinit {
        close(program)
        close(line)
    }

    private static func number(_ name: String) -> UInt {
        guard let value = KernelConstants.value(name) else { fatalError("no \(name)") }
        return UInt(value)
    }

    // The program's side. Results are counts, or errors as negative numbers.

    private static let TCSETS = number("TCSETS")
    private static let TCFLSH = number("TCFLSH")
    private static let TCXONC = number("TCXONC")
    private static let FIONREAD = number("FIONREAD")

    func setTermios(_ termios: Termios) -> Int {
        var bytes = termios.bytes
        return Int(clinux_ioctl_pointer(program, Self.TCSETS, &bytes))
    }

    func write(_ bytes: [UInt8]) -> Int {
        let count = Glibc.write(program, bytes, bytes.count)
        return count < 0 ? -Int(errno) : count
    }

    func read(_ limit: Int) -> (result: Int, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = Glibc.read(program, &bytes, limit)
        return count < 0 ? (-Int(errno), []) : (count, Array(bytes.prefix(count)))
    }

    func flushInput() -> Int { Int(clinux_ioctl_value(program, Self.TCFLSH, UInt(TCIFLUSH))) }

    func controlFlow(_ action: Int32) -> Int { Int(clinux_ioctl_value(program, Self.TCXONC, UInt(action))) }

    var readableCount: Int {
        var count: Int32 = -1
        return clinux_ioctl_pointer(program, Self.FIONREAD, &count) == 0 ? Int(count) : -Int(errno)
    }

    /// The result of poll(2). If there is no input, first waits for the kernel to process the received bytes.
    var readiness: (isReadable: Bool, isWritable: Bool) {
        var entry = pollfd(fd: program, events: Int16(POLLIN | POLLOUT), revents: 0)
        guard poll(&entry, 1, 0) >= 0 else { return (false, false) }
        return (entry.revents & Int16(POLLIN) != 0, entry.revents & Int16(POLLOUT) != 0)
    }

    // The line's side.

    /// - Returns: how many bytes the kernel took.
    func receive(_ bytes: [UInt8]) -> Int { Glibc.write(line, bytes, bytes.count) }

    /// Appends what has been output since.
    func takeOutput(_ output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while true {
                let count = Glibc.read(line, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                output.append(contentsOf: buffer.prefix(count))
            }
        }
    }
}
