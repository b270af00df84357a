import Glibc
import Platform
import SerialLine
import SystemPackage

/// The directory of the files that systemd reads at the start of a unit and udev when a node appears. It is root's, and
/// no other user reads what is in it: servers are not for everybody.
struct EnvironmentDirectory: ~Copyable {
    private let directory: Descriptor

    /// Makes the directory, or takes the one that is there, if it is ours.
    init(_ path: String) throws(Errno) {
        do { try syscall("mkdir") { mkdir(path, 0o700) } } catch .fileExists {}
        let directory = try Descriptor(opening: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        try syscall("fstat") { fstat(directory.raw, &status) }
        guard status.st_uid == geteuid() else { throw .permissionDenied }
        try syscall("fchmod") { fchmod(directory.raw, 0o700) }
        self.directory = directory
    }

    /// Replaces a file: whole and new, or whole and old.
    func write(_ name: DeviceName, _ text: String) throws(Errno) {
        // No device has a name that begins with a dot.
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
