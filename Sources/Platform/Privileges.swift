import CLinux
import Glibc
import SystemPackage

/// Who this process is.
package enum Privileges {
    /// The group of a name; nil where there is none.
    package static func group(named name: String) -> gid_t? { getgrnam(name)?.pointee.gr_gid }

    /// The number of the user of this name; nil if there is no such user. Reads /etc/passwd before it asks nss, which costs
    /// more.
    package static func user(named name: String) -> uid_t? {
        installedUser(named: name) ?? getpwnam(name)?.pointee.pw_uid
    }

    /// nobody's number, where even that name is missing.
    private static let nobody: UInt32 = 65534

    /// The user that a port becomes if root starts it by hand: the ports' own, else `nobody`, which other daemons share.
    package static var portUser: String { installedUser(named: "ttynvt") == nil ? "nobody" : "ttynvt" }

    /// The user that gives orders to ports and to the starter; nil if it is not installed.
    package static var supervisor: uid_t? { installedUser(named: "ttynvt-supervisor") }

    /// A user that the package made, from /etc/passwd. A search in other places would load a library into each port.
    private static func installedUser(named name: String) -> uid_t? {
        guard let file = try? FileSystem.contents(of: "/etc/passwd") else { return nil }
        return userNumber(of: name, in: file)
    }

    /// The number of a user in a file that is made like /etc/passwd (passwd(5)); nil if it is not there.
    static func userNumber(of name: String, in file: [UInt8]) -> uid_t? {
        let colon = UInt8(ascii: ":")
        let start = Array(name.utf8) + [colon]
        for line in file.split(separator: UInt8(ascii: "\n")) where line.starts(with: start) {
            let fields = line.split(separator: colon, maxSplits: 3, omittingEmptySubsequences: false)
            return fields.count > 2 ? uid_t(String(decoding: fields[2], as: UTF8.self)) : nil
        }
        return nil
    }

    /// Keeps other processes of the same user from this one's memory and environment.
    package static func hideMemory() { _ = clinux_not_dumpable() }

    /// Who `drop` becomes; nil where this process is not root, and stays who it is.
    package static func userAfterDrop(to name: String) -> uid_t? {
        geteuid() == 0 ? user(named: name) ?? nobody : nil
    }

    /// No program started from here on gains any privilege. Each thread's own, passed on to those it starts: to be
    /// called before there are any.
    package static func gainNoMore() { _ = clinux_no_new_privileges() }

    /// Becomes an unprivileged user for good, in all threads: no groups, no capabilities, no way back.
    /// - Returns: false where this process was not root, and nothing was to be done.
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
