import CLinux
import Glibc
import SystemPackage

/// What a thread may do although it is not root. Each thread has its own; those it starts begin with the same.
package struct Capabilities: OptionSet, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let setGroup = Capabilities(rawValue: 1 << 6)
    package static let setUser = Capabilities(rawValue: 1 << 7)
    /// CAP_NET_ADMIN.
    package static let networkAdministration = Capabilities(rawValue: 1 << 12)

    /// What the calling thread may take up.
    package static var permitted: Capabilities {
        var permitted: UInt64 = 0
        var effective: UInt64 = 0
        guard clinux_capget(&permitted, &effective) == 0 else { return [] }
        return Capabilities(rawValue: permitted)
    }

    /// Gives the calling thread these and no others: to take up, and in force.
    package static func set(permitted: Capabilities, effective: Capabilities) throws(Errno) {
        try syscall("capset") { clinux_capset(permitted.rawValue, effective.rawValue) }
    }

    /// The calling thread stays permitted what it is when it becomes an unprivileged user.
    package static func keep() throws(Errno) { try syscall("prctl") { clinux_keep_capabilities() } }
}
