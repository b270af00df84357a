import CLinux
import Glibc
import SystemPackage

/// The user and privileges of this process.
package enum Privileges {
    /// The ID of a group by name; nil if it does not exist.
    package static func group(named name: String) -> gid_t? { getgrnam(name)?.pointee.gr_gid }

    /// The ID of a user by name; nil if it does not exist. Reads /etc/passwd first, because nss costs more.
    package static func user(named name: String) -> uid_t? {
        installedUser(named: name) ?? getpwnam(name)?.pointee.pw_uid
    }

    /// The ID of `nobody`, for systems without that name.
    private static let nobody: UInt32 = 65534

    /// The user that a port becomes if root starts it by hand: `ttynvt` if it exists, otherwise `nobody`, which other
    /// daemons share.
    package static var portUser: String { installedUser(named: "ttynvt") == nil ? "nobody" : "ttynvt" }

    /// The user that commands ports and the starter; nil if it is not installed.
    package static var supervisor: uid_t? { installedUser(named: "ttynvt-supervisor") }

    /// The ID of a user that the package created, from /etc/passwd. Other sources would load a library into each
    /// port.
    private static func installedUser(named name: String) -> uid_t? {
        guard let file = try? FileSystem.contents(of: "/etc/passwd") else { return nil }
        return userNumber(of: name, in: file)
    }

    /// The ID of a user in a file in the format of passwd(5); nil if it is not listed.
    static func userNumber(of name: String, in file: [UInt8]) -> uid_t? {
        let colon = UInt8(ascii: ":")
        let start = Array(name.utf8) + [colon]
        for line in file.split(separator: UInt8(ascii: "\n")) where line.starts(with: start) {
            let fields = line.split(separator: colon, maxSplits: 3, omittingEmptySubsequences: false)
            return fields.count > 2 ? uid_t(String(decoding: fields[2], as: UTF8.self)) : nil
        }
        return nil
    }

    /// Prevents other processes of the same user from reading this process's memory and environment.
    package static func hideMemory() { _ = clinux_not_dumpable() }

    /// The user that `drop` switches to; nil if this process is not root, and keeps its user.
    package static func userAfterDrop(to name: String) -> uid_t? {
        geteuid() == 0 ? user(named: name) ?? nobody : nil
    }

    /// Programs started from here on gain no privileges. The setting is per thread and inherited, so it must be made
    /// before other threads start.
    package static func gainNoMore() { _ = clinux_no_new_privileges() }

    /// Switches all threads to an unprivileged user permanently: no groups, no capabilities.
    /// - Returns: false if this process was not root; then nothing was done.
    @discardableResult
    package static func drop(to user: String) throws(Errno) -> Bool {
        guard geteuid() == 0 else { return false }
        let entry = getpwnam(user)
        let uid = entry?.pointee.pw_uid ?? nobody
        let gid = entry?.pointee.pw_gid ?? nobody
        try syscall("setgroups") { setgroups(0, nil) }
        try syscall("setgid") { setgid(gid) }
        try syscall("setuid") { setuid(uid) }
        return true
    }
}
