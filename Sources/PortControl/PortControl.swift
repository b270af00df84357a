import Glibc
import Platform
import SerialLine

/// The control socket of a running port: its path and protocol.
///
/// A client connects, sends one line, and gets the reply, and the port closes the connection. Requests are `status`,
/// `servers H:P,H:P,…`, `retire` and `keep`; the reply is a status (see `PortStatus`), `ok`, or `error TEXT`.
package enum PortControl {
    /// The directory that contains one directory for each port.
    package static let base = "/run/ttynvt-swift/port"
    /// The socket's name in a port's directory.
    static let socketName = "control"
    /// Longest request in bytes, including its line feed.
    package static let longestRequest = 4096
    /// Longest reply, in bytes.
    package static let longestReply = 65536

    /// The error for a client without permission.
    package static let notPermitted = "not permitted"

    static func socketPath(of name: DeviceName, in base: String) -> String { "\(base)/\(name)/\(socketName)" }

    /// The names of all ports with a control socket, in order. The list includes sockets left by killed ports, which
    /// a request reveals.
    package static func list(in base: String = base) -> [DeviceName] {
        guard let directory = opendir(base) else { return [] }
        defer { closedir(directory) }
        var names: [DeviceName] = []
        while let entry = readdir(directory) {
            let text = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let name = try? DeviceName(text), name.description == text else { continue }
            if FileSystem.kind(of: socketPath(of: name, in: base)) == S_IFSOCK { names.append(name) }
        }
        return names.sorted { $0.description < $1.description }
    }
}
