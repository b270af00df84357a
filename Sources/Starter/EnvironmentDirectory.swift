import Glibc
import Platform
import SerialLine
import SystemPackage

/// The directory of the files that systemd reads when it starts a unit, and udev when a node appears. It belongs to
/// root, and other users cannot read it: addresses of servers are confidential.
struct EnvironmentDirectory: ~Copyable {
    private let directory: Descriptor

    /// Creates the directory, or uses the existing one if it belongs to this user.
    init(_ path: String) throws(Errno) {
        do { try syscall("mkdir") { mkdir(path, 0o700) } } catch .fileExists {}
        let directory = try Descriptor(opening: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        try syscall("fstat") { fstat(directory.raw, &status) }
        guard status.st_uid == geteuid() else { throw .permissionDenied }
        try syscall("fchmod") { fchmod(directory.raw, 0o700) }
        self.directory = directory
    }

    /// Replaces a file atomically.
    func write(_ name: DeviceName, _ text: String) throws(Errno) {
        // No device name begins with a dot.
        let new = ".\(name)"
        remove(new)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = Descriptor(owning: try syscall("openat") { openat(directory.raw, new, flags, 0o600) })
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { bytes in Result { () throws(Errno) in try file.write(bytes) } }
            rest = rest.dropFirst(try written.get())
        }
        try syscall("renameat") { renameat(directory.raw, new, directory.raw, "\(name)") }
    }

    func remove(_ name: DeviceName) { remove("\(name)") }

    private func remove(_ name: String) { unlinkat(directory.raw, name, 0) }
}
