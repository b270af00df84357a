import Glibc
import Platform
import SystemPackage
import VirtualTTY

/// The program behind a request.
struct Caller {
    let uid: UInt32
    /// The calling thread's ID in this process's pid namespace; 0 if the thread is in a namespace that is not visible
    /// here.
    let thread: Int32

    /// CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_CHECKPOINT_RESTORE (<linux/capability.h>).
    private static let capSysAdmin: UInt64 = 1 << 21
    private static let capNetAdmin: UInt64 = 1 << 12
    private static let capCheckpointRestore: UInt64 = 1 << 40

    /// Whether the caller has this capability. FUSE does not say, so the caller's /proc entry is read. If the entry
    /// cannot be read, root counts as capable, except for CAP_NET_ADMIN: this process acts in the caller's name with
    /// it.
    func holds(_ capability: Capability) -> Bool {
        guard thread > 0, let capabilities = Self.effectiveCapabilities(thread) else {
            return uid == 0 && capability != .netAdmin
        }
        return switch capability {
        case .sysAdmin: capabilities & Self.capSysAdmin != 0
        case .netAdmin: capabilities & Self.capNetAdmin != 0
        case .checkpointRestore: capabilities & (Self.capSysAdmin | Self.capCheckpointRestore) != 0
        }
    }

    private static func effectiveCapabilities(_ thread: Int32) -> UInt64? {
        guard let text = FileSystem.text(of: "/proc/\(thread)/status") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).drop { $0 == " " || $0 == "\t" }, radix: 16)
        }
        return nil
    }
}
