import CLinux
import Glibc
import SystemPackage

/// Who this process is.
package enum Privileges {
    /// The group of a name; nil where there is none.
    package static func group(named name: String) -> gid_t? { getgrnam(name)?.pointee.gr_gid }

    /// No program started from here on gains any privilege. Each thread's own, passed on to those it starts: to be
    /// called before there are any.
    package static func gainNoMore() { _ = clinux_no_new_privileges() }

    /// Is there a user of this name?
    package static func hasUser(named name: String) -> Bool { getpwnam(name) != nil }

    /// Becomes an unprivileged user for good, in all threads: no groups, no capabilities, no way back.
    /// - Returns: false where this process was not root, and nothing was to be done.
    @discardableResult
    package static func drop(to user: String) throws(Errno) -> Bool {
        guard geteuid() == 0 else { return false }
        let entry = getpwnam(user)
        // nobody's number, where even that name is missing.
        let uid = entry?.pointee.pw_uid ?? 65534
        let gid = entry?.pointee.pw_gid ?? 65534
        try syscall("setgroups") { setgroups(0, nil) }
        try syscall("setgid") { setgid(gid) }
        try syscall("setuid") { setuid(uid) }
        return true
    }
}
