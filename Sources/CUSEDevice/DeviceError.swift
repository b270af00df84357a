import SystemPackage

/// The reason why a device cannot be created. Each text names the attempt, its subject, and a remedy.
package enum DeviceError: Error, CustomStringConvertible, Equatable {
    case noCUSE
    case notPermitted
    case notCUSE
    case cannotOpen(Errno)
    case nameTaken(String)
    case numberTaken(major: UInt32, minor: UInt32, holder: String)
    case refused(String)
    case ended(String)
    case library(String)

    package var description: String {
        switch self {
        case .noCUSE: "no /dev/cuse: the kernel's cuse module is not loaded (modprobe cuse)"
        case .notPermitted:
            "no permission to open /dev/cuse: run as root, or give this user's group access to /dev/cuse"
        case .notCUSE:
            "/dev/cuse is not the kernel's cuse device (10:203): remove it, and load the module (modprobe cuse)"
        case .cannotOpen(let error): "cannot open /dev/cuse: \(error)"
        case .nameTaken(let name): "/dev/\(name) exists already: choose another name (-n)"
        case .numberTaken(let major, let minor, let holder):
            "device number \(major):\(minor) is in use by \(holder): choose another (-M, -m)"
        case .refused(let name):
            "the kernel refused to create /dev/\(name): its name or number is taken (see dmesg)"
        case .ended(let name):
            "the kernel has removed /dev/\(name): its FUSE connection was aborted"
        case .library(let why): "libfuse: \(why)"
        }
    }
}
