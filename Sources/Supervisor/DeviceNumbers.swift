import Glibc
import Platform
import SerialLine

/// Existing devices, by /dev and /sys.
enum DeviceNumbers {
    /// Whether a device has this number.
    @Sendable static func areTaken(_ major: UInt32, _ minor: UInt32) -> Bool {
        FileSystem.exists("/sys/dev/char/\(major):\(minor)")
    }

    /// The device with a number, such as `/dev/ttyX`; nil otherwise.
    static func holder(of major: UInt32, _ minor: UInt32) -> String? {
        let link = "/sys/dev/char/\(major):\(minor)"
        guard FileSystem.exists(link) else { return nil }
        let name = FileSystem.target(ofLink: link)?.split(separator: "/").last.map(String.init)
        return "/dev/" + (name ?? "?").singleLine
    }

    /// The reason why a device cannot be created; nil if it can. A regular file does not count: the starter, or
    /// `ChildLauncher`, renames it.
    static func fault(of name: DeviceName) -> String? {
        let kind = FileSystem.kind(of: "/dev/\(name)")
        guard kind != nil && kind != S_IFREG || FileSystem.exists("/sys/class/cuse/\(name)") else { return nil }
        return "not used: '\(name.port)', because /dev/\(name) already exists"
    }

    /// - Throws: if no device can be created at all.
    static func checkModule() throws(SupervisorError) {
        guard FileSystem.exists("/dev/cuse") else {
            throw SupervisorError("no /dev/cuse: the kernel's cuse module is not loaded (modprobe cuse)")
        }
    }
}
