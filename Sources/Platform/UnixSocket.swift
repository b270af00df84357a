import CLinux
import Glibc
import SystemPackage

/// The address of a Unix socket: a path, or, with a leading `@`, a name in the kernel's abstract namespace.
package struct UnixAddress: Sendable {
    private var storage = sockaddr_un()
    private let length: socklen_t

    /// - Returns: nil if the name is empty, too long for sockaddr_un, or contains NUL.
    package init?(_ name: String) {
        let bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        let room = MemoryLayout.size(ofValue: storage.sun_path)
        // A path ends with a NUL; an abstract name begins with one.
        guard bytes.count > (isAbstract ? 1 : 0), bytes.count < room, !bytes.contains(0) else { return nil }
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { path in
            path.copyBytes(from: bytes)
            if isAbstract { path[0] = 0 }
        }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        length = socklen_t(offset + bytes.count + (isAbstract ? 0 : 1))
    }

    /// Runs `body` with the address in the form that socket calls use.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}

/// The process at the other end of a Unix stream socket, as the kernel recorded it at connect or listen (SO_PEERCRED,
/// SO_PEERGROUPS).
package struct PeerCredentials: Equatable, Sendable {
    package var pid: Int32
    package var user: UInt32
    package var group: UInt32
    /// Supplementary groups.
    package var groups: [UInt32]

    package init(pid: Int32, user: UInt32, group: UInt32, groups: [UInt32] = []) {
        self.pid = pid
        self.user = user
        self.group = group
        self.groups = groups
    }

    package init(of socket: Int32) throws(Errno) {
        // struct ucred: pid, uid, gid.
        var credentials: [Int32] = [0, 0, 0]
        var length = socklen_t(12)
        try syscall("getsockopt") { getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) }
        self.init(
            pid: credentials[0], user: UInt32(bitPattern: credentials[1]), group: UInt32(bitPattern: credentials[2]),
            groups: Self.groups(of: socket))
    }

    /// <asm-generic/socket.h>'s SO_PEERGROUPS, which Glibc's module leaves out.
    private static let peerGroups: Int32 = 59

    /// Supplementary groups; empty on kernels before 4.13, which do not report them.
    private static func groups(of socket: Int32) -> [UInt32] {
        var groups = [UInt32](repeating: 0, count: 64)
        for _ in 0..<2 {
            var length = socklen_t(groups.count * 4)
            if getsockopt(socket, SOL_SOCKET, peerGroups, &groups, &length) == 0 {
                return Array(groups.prefix(Int(length) / 4))
            }
            // The largest number of groups of a process (NGROUPS_MAX).
            guard errno == ERANGE, length <= 4 * 65536 else { return [] }
            groups = [UInt32](repeating: 0, count: Int(length) / 4)
        }
        return []
    }
}
