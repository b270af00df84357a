import Glibc
import Platform
import SerialLine

/// Maintains `/dev/serial/by-id/ttynvt-NAME` if udev does not run.
enum SerialLink {
    private static let directory = "/dev/serial/by-id"

    private static var hasUdev: Bool { FileSystem.exists("/run/udev/control") }

    private static func path(of name: DeviceName) -> String { "\(directory)/ttynvt-\(name.port)" }
    private static func target(of name: DeviceName) -> String { "../../\(name)" }

    static func make(_ name: DeviceName) {
        guard !hasUdev, (try? DurableFile.makeDirectory(directory)) != nil else { return }
        remove(name)
        symlink(target(of: name), path(of: name))
    }

    /// Removes the link, if it is ours.
    static func remove(_ name: DeviceName) {
        guard !hasUdev, FileSystem.target(ofLink: path(of: name)) == target(of: name) else { return }
        unlink(path(of: name))
    }
}
