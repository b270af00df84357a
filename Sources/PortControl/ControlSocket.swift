import Glibc
import Platform
import SerialLine
import SystemPackage

/// The reason why a port has no control socket.
package enum ControlSocketError: Error, Equatable, CustomStringConvertible {
    /// Another process is listening there.
    case inUse(String)
    case failed(String, Errno)

    package var description: String {
        switch self {
        case .inUse(let path): "another process is listening at \(path)"
        case .failed(let path, let error): "cannot create \(path): \(error)"
        }
    }
}

/// The listening socket of a port, in a directory of its own. Every user may connect; the peer's credentials decide
/// about each request.
package final class ControlSocket: Sendable {
    let descriptor: Descriptor
    package let path: String
    private let directory: String

    /// Creates directory and socket.
    /// - Parameters:
    ///   - base: the directory of all ports' directories.
    ///   - user: the directory's owner, if this process is root now and becomes that user later.
    package convenience init(
        for name: DeviceName, in base: String? = nil, owner user: UInt32? = nil
    ) throws(ControlSocketError) {
        try self.init(inDirectory: base.map { "\($0)/\(name)" } ?? Self.directory(of: name), owner: user)
    }

    /// Creates a socket in a directory, and the directory.
    package init(inDirectory directory: String, owner user: UInt32? = nil) throws(ControlSocketError) {
        self.directory = directory
        path = directory + "/" + PortControl.socketName
        do {
            try Self.makeParents(of: directory)
            descriptor = try Self.makeDirectory(directory, path, user)
        } catch .addressInUse {
            throw .inUse(path)
        } catch {
            throw .failed(path, error)
        }
    }

    /// Uses the directory that systemd provides (RuntimeDirectory=), if it is for this port.
    private static func directory(of name: DeviceName) -> String {
        if let variable = getenv("RUNTIME_DIRECTORY") {
            for given in String(cString: variable).split(separator: ":") where given.hasSuffix("/\(name)") {
                return String(given)
            }
        }
        return "\(PortControl.base)/\(name)"
    }

    private static func makeParents(of directory: String) throws(Errno) {
        let parts = directory.split(separator: "/").dropLast()
        var path = ""
        for part in parts {
            path += "/" + part
            do { try syscall("mkdir") { mkdir(path, 0o755) } } catch .fileExists {}
        }
    }

    /// A directory that an earlier port has left may belong to the user that this port became, and may contain
    /// anything. So root takes it back first, passes it on last, and follows no link in it.
    private static func makeDirectory(_ directory: String, _ path: String, _ user: UInt32?) throws(Errno) -> Descriptor
    {
        do { try syscall("mkdir") { mkdir(directory, 0o755) } } catch .fileExists {}
        let handle = try Descriptor(opening: directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        if user != nil { try syscall("fchown") { fchown(handle.raw, 0, 0) } }
        let socket = try listen(at: path)
        if let user { try syscall("fchown") { fchown(handle.raw, user, gid_t.max) } }
        return socket
    }

    private static func listen(at path: String) throws(Errno) -> Descriptor {
        guard let address = UnixAddress(path) else { throw .fileNameTooLong }
        if isAnswered(address) { throw .addressInUse }
        do { try syscall("unlink") { unlink(path) } } catch .noSuchFileOrDirectory {}
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, flags, 0) })
        // bind(2) sets the mode by the umask: 0666. No other thread of the port creates files at this time.
        let mask = umask(0o111)
        defer { umask(mask) }
        try syscall("bind") { address.withSockaddr { Glibc.bind(socket.raw, $0, $1) } }
        try syscall("listen") { Glibc.listen(socket.raw, 64) }
        return socket
    }

    /// Whether a process listens there. The socket file of a process that has ended refuses connections.
    private static func isAnswered(_ address: UnixAddress) -> Bool {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard let raw = try? syscall("socket", { Glibc.socket(AF_UNIX, flags, 0) }) else { return false }
        let socket = Descriptor(owning: raw)
        do {
            try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
            return true
        } catch {
            // EAGAIN: its queue is full, so a process is listening.
            return error == .resourceTemporarilyUnavailable
        }
    }

    /// Removes the socket, and the directory if that is permitted.
    package func remove() {
        unlink(path)
        rmdir(directory)
    }
}
