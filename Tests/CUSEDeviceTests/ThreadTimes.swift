import Glibc
import Platform

/// The processor time of this process's threads of one name, by thread, in hundredths of a second
/// (/proc/self/task/TID/stat).
func threadTimes(named name: String) -> [String: Int] {
    var times: [String: Int] = [:]
    guard let folder = opendir("/proc/self/task") else { return times }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
        let thread = withUnsafeBytes(of: entry.pointee.d_name) { raw in
            String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
        }
        guard let text = contents(of: "/proc/self/task/\(thread)/stat"), text.contains("(\(name))"),
            let end = text.lastIndex(of: ")")
        else { continue }
        // utime and stime are the 12th and 13th after the name.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { continue }
        times[thread] = user + system
    }
    return times
}

private func contents(of path: String) -> String? {
    guard let file = try? Descriptor(opening: path, O_RDONLY) else { return nil }
    var buffer = [UInt8](repeating: 0, count: 4096)
    guard let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
    return String(decoding: buffer.prefix(count), as: UTF8.self)
}
