import Glibc
import Platform
import SystemPackage

/// Ensures that only one supervisor runs, by a lock that ends with its process.
struct SupervisorLock: ~Copyable {
    private let file: Descriptor

    /// - Throws: `SupervisorError` if another supervisor holds the lock.
    init(_ path: String) throws(SupervisorError) {
        file = try Self.lock(path)
        ftruncate(file.raw, 0)
        var text = "\(getpid())\n"
        text.withUTF8 { _ = try? file.write(UnsafeRawBufferPointer($0)) }
    }

    private static func lock(_ path: String) throws(SupervisorError) -> Descriptor {
        let file = try open(path)
        guard flock(file.raw, LOCK_EX | LOCK_NB) != 0 else { return file }
        let holder = ((try? DurableFile.read(path)) ?? nil).flatMap { Int32($0.prefix { $0 != "\n" }) }
        throw SupervisorError("another supervisor is running" + (holder.map { " (process \($0))" } ?? ""))
    }

    /// Users who can read a file can lock it. So a file that other users can open, or have created, is replaced, and
    /// their lock on it has no effect.
    private static func open(_ path: String) throws(SupervisorError) -> Descriptor {
        do {
            try DurableFile.makeDirectory(DurableFile.directory(of: path))
            if isOthers(path) { try syscall("unlink") { unlink(path) } }
            let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
            return Descriptor(owning: try syscall("open") { Glibc.open(path, flags, 0o600) })
        } catch { throw SupervisorError("cannot lock \(path): \(error)") }
    }

    /// Whether the path exists and is not a supervisor's own lock file.
    private static func isOthers(_ path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return false }
        let isOurs = [0, geteuid(), Privileges.supervisor].contains(status.st_uid)
        return !isOurs || status.st_mode & S_IFMT != S_IFREG || status.st_mode & 0o077 != 0
    }
}

/// The reason why the supervisor cannot run, in one line.
package struct SupervisorError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
