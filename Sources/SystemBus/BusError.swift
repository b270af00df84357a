import SystemPackage

/// An error of the bus, in one line. Texts of other processes are quoted unchanged: callers must make them safe
/// before they print them.
package enum BusError: Error, Equatable, CustomStringConvertible {
    /// libsystemd.so.0 is not installed.
    case noLibrary
    /// The bus's socket does not accept connections.
    case unreachable(socket: String, Errno)
    /// The connection to the bus has ended; this SystemBus cannot be used any further.
    case disconnected
    /// The error of the called service: its D-Bus name, such as `org.freedesktop.DBus.Error.UnknownMethod`, and its
    /// message.
    case remote(name: String, message: String)
    /// A call of sd-bus(3) failed.
    case failed(String, Errno)
    /// An answer of the wrong type or form.
    case unexpected(String)

    /// The D-Bus name of the called service's error.
    package var name: String? { if case .remote(let name, _) = self { name } else { nil } }

    package var description: String {
        switch self {
        case .noLibrary: "cannot use D-Bus: libsystemd.so.0 is not installed"
        case .unreachable(let socket, let error): "cannot reach the system bus at \(socket): \(error); is dbus running?"
        case .disconnected: "the connection to the system bus has ended"
        case .remote(let name, let message): message.isEmpty ? name : "\(message) (\(name))"
        case .failed(let what, let error): "\(what): \(error)"
        case .unexpected(let what): "unexpected answer from \(what)"
        }
    }

    /// The error for a negative result of sd-bus.
    static func result(_ result: Int32, _ what: @autoclosure () -> String) -> BusError {
        switch Errno(rawValue: -result) {
        case .noFunction: .noLibrary
        case .socketNotConnected, .connectionReset, .brokenPipe: .disconnected
        case let error: .failed(what(), error)
        }
    }
}
