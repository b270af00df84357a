import Glibc
import Platform
import SystemPackage

/// Small files that are replaced atomically.
enum DurableFile {
    /// A failed file operation, in one line.
    struct Failure: Error, CustomStringConvertible {
        let what: String
        let path: String
        let error: Errno

        init(what: String, path: String, _ error: any Error) {
            self.what = what
            self.path = path
            self.error = error as? Errno ?? .ioError
        }

        var description: String { "cannot \(what) \(path): \(error)" }
    }

    /// Replaces a file: writes a new file beside it, and renames that.
    /// - Parameter survivesPowerLoss: file and directory are synced to the disk before the function returns.
    static func replace(_ path: String, with text: String, survivesPowerLoss: Bool) throws(Failure) {
        let new = path + ".new"
        do {
            var text = text
            let file = Descriptor(
                owning: try syscall("open") { open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644) })
            try text.withUTF8 { bytes in
                var rest = UnsafeRawBufferPointer(bytes)
                while !rest.isEmpty { rest = .init(rebasing: rest[try file.write(rest)...]) }
            }
            if survivesPowerLoss { try syscall("fsync") { fsync(file.raw) } }
        } catch {
            throw Failure(what: "write", path: new, error)
        }
        do throws(Errno) {
            try syscall("rename") { rename(new, path) }
            guard survivesPowerLoss else { return }
            let directory = try Descriptor(opening: Self.directory(of: path), O_RDONLY | O_DIRECTORY)
            try syscall("fsync") { fsync(directory.raw) }
        } catch {
            throw Failure(what: "replace", path: path, error)
        }
    }

    /// Reads a file as text; nil if it does not exist.
    /// - Parameter limit: in bytes.
    static func read(_ path: String, limit: Int = FileSystem.longestFile) throws(Failure) -> String? {
        do {
            return String(decoding: try FileSystem.contents(of: path, limit: limit), as: UTF8.self)
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw Failure(what: "read", path: path, error)
        }
    }

    /// Creates a directory and its parents.
    static func makeDirectory(_ path: String) throws(Failure) {
        var partial = ""
        for part in path.split(separator: "/") {
            partial += "/" + part
            guard mkdir(partial, 0o755) != 0, errno != EEXIST else { continue }
            throw Failure(what: "make", path: partial, Errno(rawValue: errno))
        }
    }

    static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
