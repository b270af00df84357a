import Glibc
import Platform
import SerialLine

/// The right that a request requires.
package enum ControlRight: Sendable {
    /// Permission to read the device's node, or to give orders.
    case look
    /// Being root or the supervisor's user. The ports' own user gives no orders, because all ports share it.
    case command
}

extension ControlRequest {
    /// The right of each request; the only place that defines it.
    package var right: ControlRight {
        switch self {
        case .status: .look
        case .servers, .retire, .keep: .command
        }
    }
}

/// Decides whether a peer may send a request, by `ControlRequest.right`.
package struct ControlAccess: Equatable, Sendable {
    /// The node's owner, group and mode, as in stat(2).
    package var owner: UInt32
    package var group: UInt32
    package var mode: UInt32

    package init(owner: UInt32, group: UInt32, mode: UInt32) {
        self.owner = owner
        self.group = group
        self.mode = mode
    }

    /// Reads them from the node; if it does not exist, only root has access.
    package init(ofNode name: DeviceName) {
        var status = stat()
        if stat("/dev/\(name)", &status) == 0 {
            self.init(owner: status.st_uid, group: status.st_gid, mode: status.st_mode)
        } else {
            self.init(owner: 0, group: 0, mode: 0)
        }
    }

    /// Checks read permission of the node as the kernel does (acl_permission_check): only the first matching class
    /// counts.
    /// - Parameter supervisor: the supervisor's user; nil if it does not exist.
    package func allows(_ request: ControlRequest, by peer: PeerCredentials, supervisor: UInt32?) -> Bool {
        if peer.user == 0 || peer.user == supervisor { return true }
        switch request.right {
        case .command: return false
        case .look: return mayRead(peer)
        }
    }

    private func mayRead(_ peer: PeerCredentials) -> Bool {
        if peer.user == owner { return mode & 0o400 != 0 }
        if peer.group == group || peer.groups.contains(group) { return mode & 0o040 != 0 }
        return mode & 0o004 != 0
    }
}
