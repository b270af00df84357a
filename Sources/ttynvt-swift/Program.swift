import Glibc
import Platform

/// A program that has a port open, as listed in /proc.
struct Program: Equatable {
    /// Its process; the thread that opened the port, if only that is known; 0 if neither is known.
    let pid: Int32
    /// nil if it has ended, or is in another pid namespace.
    let name: String?

    init(thread: Int32) {
        guard thread > 0, let status = Self.read("/proc/\(thread)/status") else {
            pid = thread
            name = nil
            return
        }
        let line = status.split(separator: "\n").first { $0.hasPrefix("Tgid:") }
        let process = line.flatMap { Int32($0.dropFirst(5).filter { $0.isNumber }) } ?? thread
        pid = process
        name = Self.read("/proc/\(process)/comm").map { String($0.prefix { $0 != "\n" }).singleLine }
    }

    /// `pyserial (4711)`
    var description: String { pid == 0 ? "a program in another container or namespace" : "\(name ?? "?") (\(pid))" }

    private static func read(_ path: String) -> String? {
        guard let file = try? Descriptor(opening: path, O_RDONLY) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 4096)
        guard let count = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
