import Glibc
import Platform
import SystemPackage

/// The program behind a request.
struct Caller {
    let uid: UInt32
    /// Its thread, in this process's pid namespace; 0 where it cannot be seen.
    let thread: Int32

    private static let capSysAdmin: UInt64 = 1 << 21
    private static let capNetAdmin: UInt64 = 1 << 12

    /// Has it CAP_SYS_ADMIN? FUSE does not say, so its /proc entry is asked; where that cannot be read, root counts.
    var isAdministrator: Bool { has(Self.capSysAdmin) ?? (uid == 0) }

    /// Has it CAP_NET_ADMIN? Nobody counts whose entry cannot be read: what it allows is done here, in its name.
    var isNetworkAdministrator: Bool { has(Self.capNetAdmin) ?? false }

    private func has(_ capability: UInt64) -> Bool? {
        guard thread > 0, let capabilities = Self.effectiveCapabilities(thread) else { return nil }
        return capabilities & capability != 0
    }

    private static func effectiveCapabilities(_ thread: Int32) -> UInt64? {
        guard let text = FileSystem.text(of: "/proc/\(thread)/status") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).drop { $0 == " " || $0 == "\t" }, radix: 16)
        }
        return nil
    }
}
