import Glibc
import SerialLine

/// `/dev/serial/by-id/ttynvt-NAME` where no udev makes it.
enum SerialLink {
    private static let directory = "/dev/serial/by-id"

    private static var hasUdev: Bool {
        var status = stat()
        return lstat("/run/udev/control", &status) == 0
    }

    private static func path(of name: DeviceName) -> String { "\(directory)/ttynvt-\(name.port)" }
    private static func target(of name: DeviceName) -> String { "../../\(name)" }

    static func make(_ name: DeviceName) {
        guard !hasUdev, (try? DurableFile.makeDirectory(directory)) != nil else { return }
        remove(name)
        symlink(target(of: name), path(of: name))
    }

    /// Takes the link away, if it is ours.
    static func remove(_ name: DeviceName) {
        guard !hasUdev else { return }
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(path(of: name), &buffer, buffer.count)
        guard count > 0,
            String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) == target(of: name)
        else { return }
        unlink(path(of: name))
    }
}
