import Glibc
import Platform
import SerialLine

/// What the kernel has under /dev and in /sys already.
enum DeviceNumbers {
    /// Has some device this number?
    @Sendable static func areTaken(_ major: UInt32, _ minor: UInt32) -> Bool {
        FileSystem.exists("/sys/dev/char/\(major):\(minor)")
    }

    /// The device that has a number, such as `/dev/ttyX`; nil for none.
    static func holder(of major: UInt32, _ minor: UInt32) -> String? {
        let link = "/sys/dev/char/\(major):\(minor)"
        guard FileSystem.exists(link) else { return nil }
        let name = FileSystem.target(ofLink: link)?.split(separator: "/").last.map(String.init)
        return "/dev/" + (name ?? "?").singleLine
    }

    /// Why a device cannot be made; nil if nothing is in the way. A regular file is not in the way: the starter, or
    /// `ChildLauncher`, sets it aside.
    static func fault(of name: DeviceName) -> String? {
        let kind = FileSystem.kind(of: "/dev/\(name)")
        guard kind != nil && kind != S_IFREG || FileSystem.exists("/sys/class/cuse/\(name)") else { return nil }
        return "'\(name.port)' gets no port: /dev/\(name) exists already"
    }

    /// - Throws: where no device can be made at all.
    static func checkModule() throws(SupervisorError) {
        guard FileSystem.exists("/dev/cuse") else {
            throw SupervisorError("no /dev/cuse: the kernel's cuse module is not loaded (modprobe cuse)")
        }
    }
}
