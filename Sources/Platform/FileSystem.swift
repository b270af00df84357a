import CLinux
import Glibc
import SystemPackage

/// File system operations.
package enum FileSystem {
    /// Largest file that is read, in bytes.
    package static let longestFile = 1 << 20

    /// Reads a small file.
    /// - Parameter limit: in bytes.
    /// - Throws: `fileTooLarge` above the limit.
    package static func contents(of path: String, limit: Int = longestFile) throws(Errno) -> [UInt8] {
        let file = try Descriptor(opening: path, O_RDONLY)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 1)
        defer { chunk.deallocate() }
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            let count = try file.read(into: chunk)
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk.prefix(count))
        }
        throw .fileTooLarge
    }

    /// Replaces a file atomically: writes a new file beside it, with its owner and mode, and renames that. If the
    /// path is a symbolic link, the link's target is replaced.
    package static func replace(_ path: String, with text: String) throws(Errno) {
        let path = realPath(path) ?? path
        var before = stat()
        let exists = stat(path, &before) == 0
        let new = path + ".new"
        unlink(new)
        let mode = exists ? before.st_mode & 0o7777 : 0o644
        let file = Descriptor(
            owning: try syscall("open") { open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode) })
        if exists {
            try syscall("fchown") { fchown(file.raw, before.st_uid, before.st_gid) }
            try syscall("fchmod") { fchmod(file.raw, mode) }
        }
        let bytes = Array(text.utf8)
        let raw = file.raw
        var offset = 0
        while offset < bytes.count {
            offset += try syscall("write") {
                bytes.withUnsafeBytes { write(raw, $0.baseAddress.map { $0 + offset }, $0.count - offset) }
            }
        }
        try syscall("fsync") { fsync(file.raw) }
        try syscall("rename") { rename(new, path) }
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// The text of a small file; nil if the file cannot be read.
    package static func text(of path: String) -> String? {
        (try? contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the path exists, including a broken link.
    package static func exists(_ path: String) -> Bool { kind(of: path) != nil }

    /// The file type (S_IFMT) of a path, without following a link; nil if it does not exist.
    package static func kind(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// The target of a symbolic link; nil if there is no link.
    package static func target(ofLink path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The suffix of a regular file that `setAside` has renamed.
    package static let savedSuffix = ".saved-file"

    /// Renames a regular file, so that a device can take its name and the contents are kept.
    /// - Returns: the new name; nil if there is no regular file.
    /// - Throws: `fileExists` if the new name is taken.
    package static func setAside(_ path: String) throws(Errno) -> String? {
        guard kind(of: path) == S_IFREG else { return nil }
        let saved = path + savedSuffix
        try syscall("renameat2") { clinux_rename_new(path, saved) }
        return saved
    }
}
