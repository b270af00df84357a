import Glibc
import Logging
import Platform
import SerialLine
import Testing

/// A directory of a test's own, which goes with it, and all in it.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/ttynvt-supervisor.XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        path = String(cString: made)
    }

    /// Makes the control socket of a port, which listens and says nothing by itself.
    func listen(as name: DeviceName, queue: Int32 = 64) throws -> Descriptor {
        mkdir("\(path)/\(name)", 0o755)
        let address = try #require(UnixAddress("\(path)/\(name)/control"))
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) })
        try syscall("bind") { address.withSockaddr { Glibc.bind(socket.raw, $0, $1) } }
        try syscall("listen") { Glibc.listen(socket.raw, queue) }
        return socket
    }

    deinit {
        _ = try? spawnAndWait(["rm", "-rf", path])
    }
}

private func spawnAndWait(_ words: [String]) throws {
    let id = try spawn("/bin/rm", words, in: .ownGroup)
    waitpid(id, nil, 0)
}

/// The lines that were logged.
struct LogLines: Sendable {
    private let lines = Monitor<[String]>([])

    var all: [String] { lines.withLock { $0 } }
    var logger: Logger {
        let lines = lines
        return Logger(label: "test") { _ in Handler(lines: lines) }
    }

    private struct Handler: LogHandler {
        let lines: Monitor<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.withLock { $0.append("\(event.level): \(event.message)") }
        }
    }
}

extension MonotonicTime {
    /// So many seconds after the beginning of a test's time.
    static func at(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: UInt64((1000 + seconds) * 1_000_000_000))
    }
}
