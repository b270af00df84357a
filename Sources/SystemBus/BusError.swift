import SystemPackage

/// What can go wrong on the bus, each in one line. Texts of others are quoted as they came: clean them where they are
/// shown.
package enum BusError: Error, Equatable, CustomStringConvertible {
    /// libsystemd.so.0 is not installed.
    case noLibrary
    /// Nobody listens on the bus's socket.
    case unreachable(socket: String, Errno)
    /// The bus has gone; this SystemBus is of no more use.
    case disconnected
    /// The other side's error, by its D-Bus name, such as `org.freedesktop.DBus.Error.UnknownMethod`, and what it says.
    case remote(name: String, message: String)
    /// A call of sd-bus(3) failed.
    case failed(String, Errno)
    /// An answer that is not of the form it has to have.
    case unexpected(String)

    /// The D-Bus name of the other side's error.
    package var name: String? { if case .remote(let name, _) = self { name } else { nil } }

    package var description: String {
        switch self {
        case .noLibrary: "cannot use D-Bus: libsystemd.so.0 is not installed"
        case .unreachable(let socket, let error): "cannot reach the system bus at \(socket): \(error); is dbus running?"
        case .disconnected: "the system bus is gone"
        case .remote(let name, let message): message.isEmpty ? name : "\(message) (\(name))"
        case .failed(let what, let error): "\(what): \(error)"
        case .unexpected(let what): "unexpected answer from \(what)"
        }
    }

    /// The error of a negative result of sd-bus.
    static func result(_ result: Int32, _ what: @autoclosure () -> String) -> BusError {
        switch Errno(rawValue: -result) {
        case .noFunction: .noLibrary
        case .socketNotConnected, .connectionReset, .brokenPipe: .disconnected
        case let error: .failed(what(), error)
        }
    }
}
