import CLinux
import Glibc
import Platform
import SystemPackage

/// A pseudo-terminal that no other process can open. The slave's line discipline receives the bytes written to the
/// master; the bytes that it transmits are read from the master, unchanged.
final class PseudoTerminal {
    private let master: Descriptor
    /// −1 after it was closed.
    private var slave: Int32

    // <asm-generic/ioctls.h>
    private static let TIOCSPTLCK: UInt = 0x4004_5431
    private static let TIOCGPTPEER: UInt = 0x5441
    private static let TIOCSETD: UInt = 0x5423

    /// Opens a pair; both ends fail with EAGAIN instead of blocking.
    init() throws(Errno) {
        master = try Descriptor(opening: "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)
        let raw = master.raw
        try Self.setLock(raw, 0)
        let flags = UInt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        let peer = Descriptor(owning: try syscall("TIOCGPTPEER") { clinux_ioctl_value(raw, Self.TIOCGPTPEER, flags) })
        // From here on no process can open the node in /dev/pts.
        try Self.setLock(raw, 1)
        var settings = termios()
        try syscall("tcgetattr") { tcgetattr(peer.raw, &settings) }
        cfmakeraw(&settings)
        settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
        try syscall("tcsetattr") { tcsetattr(peer.raw, TCSANOW, &settings) }
        slave = peer.release()
    }

    deinit { if slave >= 0 { close(slave) } }

    private static func setLock(_ master: Int32, _ value: Int32) throws(Errno) {
        var value = value
        try syscall("TIOCSPTLCK") { clinux_ioctl_pointer(master, Self.TIOCSPTLCK, &value) }
    }

    var masterRaw: Int32 { master.raw }

    // The slave.

    /// Sets the slave's line discipline.
    func setDiscipline(_ number: Int32) throws(Errno) {
        var number = number
        try syscall("TIOCSETD") { clinux_ioctl_pointer(slave, Self.TIOCSETD, &number) }
    }

    /// Largest argument of a discipline's ioctl, in bytes.
    private static let largestArgument = 256

    /// Carries out an ioctl of the discipline, with this process's memory in place of the program's.
    /// - Returns: the bytes to copy out.
    func ioctl(_ command: UInt32, value: UInt64, in input: [UInt8], outSize: Int) throws(Errno) -> [UInt8] {
        if input.isEmpty && outSize == 0 {
            try syscall("ioctl") { clinux_ioctl_value(slave, UInt(command), UInt(value)) }
            return []
        }
        var memory = input + [UInt8](repeating: 0, count: max(Self.largestArgument - input.count, 0))
        try syscall("ioctl") { clinux_ioctl_pointer(slave, UInt(command), &memory) }
        return Array(memory.prefix(outSize))
    }

    /// read(2) of the slave.
    func read(_ count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = try syscall("read") { Glibc.read(slave, &bytes, count) }
        return Array(bytes.prefix(read))
    }

    /// write(2) to the slave.
    func write(_ bytes: [UInt8]) throws(Errno) -> Int {
        try syscall("write") { Glibc.write(slave, bytes, bytes.count) }
    }

    /// Ends the slave's discipline. Its output can still be read from the master.
    func closeSlave() {
        guard slave >= 0 else { return }
        // Closing alone would keep the discipline attached while the master is open (tty_release).
        try? setDiscipline(N_TTY)
        close(slave)
        slave = -1
    }

    // The master.

    /// Reads bytes that the discipline has transmitted.
    /// - Returns: the number of bytes; nil if the slave is closed and everything was read.
    /// - Throws: EAGAIN if there are no bytes now.
    func takeTransmitted(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
        do {
            return try master.read(into: buffer)
        } catch {
            if error == .resourceTemporarilyUnavailable { throw error }
            return nil
        }
    }

    /// Passes bytes to the discipline.
    /// - Returns: the number of bytes that it had room for.
    func give(_ bytes: UnsafeRawBufferPointer) -> Int { (try? master.write(bytes)) ?? 0 }
}
