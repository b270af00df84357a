import Glibc
import Platform
import SerialLine
import SystemPackage

/// The node in /dev, and its entry in /sys.
package struct DeviceNode: Sendable {
    package let name: DeviceName
    package let major: UInt32
    package let minor: UInt32

    package var path: String { "/dev/\(name)" }

    /// Checks that the name and the number are free. The caller asks before it creates a device, because the kernel
    /// fails silently.
    /// - Parameter major: 0 lets the kernel choose.
    package static func check(_ name: DeviceName, major: UInt32, minor: UInt32) throws(DeviceError) {
        if FileSystem.exists("/dev/\(name)") || FileSystem.exists("/sys/class/cuse/\(name)") {
            throw .nameTaken(name.description)
        }
        guard major != 0 else { return }
        let entry = "/sys/dev/char/\(major):\(minor)"
        guard FileSystem.exists(entry) else { return }
        let holder = FileSystem.target(ofLink: entry).flatMap { $0.split(separator: "/").last.map(String.init) }
        throw .numberTaken(major: major, minor: minor, holder: holder ?? "another device")
    }

    /// Finds the node that the kernel has created for a device.
    package init(made name: DeviceName) throws(DeviceError) {
        let numbers = FileSystem.text(of: "/sys/class/cuse/\(name)/dev")?.split { $0 == ":" || $0 == "\n" }.compactMap {
            UInt32($0)
        }
        var status = stat()
        guard let numbers, numbers.count == 2, stat("/dev/\(name)", &status) == 0,
            status.st_mode & S_IFMT == S_IFCHR,
            status.st_rdev == Self.deviceNumber(numbers[0], numbers[1])
        else { throw .refused(name.description) }
        self.name = name
        major = numbers[0]
        minor = numbers[1]
    }

    /// Whether an open file is the kernel's CUSE device, whose number is fixed (CUSE_MINOR, devices.txt).
    static func isCUSE(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
            && status.st_rdev == deviceNumber(10, 203)
    }

    /// glibc's makedev().
    private static func deviceNumber(_ major: UInt32, _ minor: UInt32) -> dev_t {
        let (major, minor) = (dev_t(major), dev_t(minor))
        return (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | (minor & 0xFF) | (minor & ~0xFF) << 12
    }

    /// Sets the node's owner and group, as udev does if it runs.
    /// - Parameter group: nil leaves the group unchanged.
    /// - Returns: whether both could be set.
    @discardableResult
    package func give(to owner: uid_t, group: gid_t?, mode: mode_t) -> Bool {
        // (gid_t)-1: no change (chown(2)).
        chown(path, owner, group ?? .max) == 0 && chmod(path, mode) == 0
    }
}
