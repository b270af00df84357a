import CLinux
import Glibc
import SystemPackage

/// Capabilities of a thread. Each thread has its own set; a new thread inherits its creator's.
package struct Capabilities: OptionSet, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let setGroup = Capabilities(rawValue: 1 << 6)
    package static let setUser = Capabilities(rawValue: 1 << 7)
    /// CAP_NET_ADMIN.
    package static let networkAdministration = Capabilities(rawValue: 1 << 12)

    /// The permitted set of the calling thread.
    package static var permitted: Capabilities {
        var permitted: UInt64 = 0
        var effective: UInt64 = 0
        guard clinux_capget(&permitted, &effective) == 0 else { return [] }
        return Capabilities(rawValue: permitted)
    }

    /// Sets the permitted and the effective set of the calling thread.
    package static func set(permitted: Capabilities, effective: Capabilities) throws(Errno) {
        try syscall("capset") { clinux_capset(permitted.rawValue, effective.rawValue) }
    }

    /// The calling thread keeps its permitted set when it becomes an unprivileged user.
    package static func keep() throws(Errno) { try syscall("prctl") { clinux_keep_capabilities() } }
}
