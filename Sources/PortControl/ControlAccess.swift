import Glibc
import Platform
import SerialLine

/// Who may ask a port what. A status is for whoever may read the device's node, orders are for root and the port's own
/// user.
package struct ControlAccess: Equatable, Sendable {
    /// The node's owner, group and mode, as stat(2) has them.
    package var owner: UInt32
    package var group: UInt32
    package var mode: UInt32

    package init(owner: UInt32, group: UInt32, mode: UInt32) {
        self.owner = owner
        self.group = group
        self.mode = mode
    }

    /// Reads them from the node; nobody's where it is gone.
    package init(ofNode name: DeviceName) {
        var status = stat()
        if stat("/dev/\(name)", &status) == 0 {
            self.init(owner: status.st_uid, group: status.st_gid, mode: status.st_mode)
        } else {
            self.init(owner: 0, group: 0, mode: 0)
        }
    }

    /// As the kernel decides (acl_permission_check): the first class that fits is the only one that counts.
    /// - Parameter user: the port's own.
    package func allows(_ request: ControlRequest, by peer: PeerCredentials, ownUser user: UInt32) -> Bool {
        if peer.user == 0 || peer.user == user { return true }
        guard request == .status else { return false }
        if peer.user == owner { return mode & 0o400 != 0 }
        if peer.group == group || peer.groups.contains(group) { return mode & 0o040 != 0 }
        return mode & 0o004 != 0
    }
}
