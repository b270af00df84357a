import Glibc
import SerialLine

/// What started this process and wants to know how it fares (sd_notify(3)): datagrams of lines `KEY=value`.
package struct ServiceNotifier: Sendable {
    private let address: UnixAddress
    private let socket: Int32
    /// A sign of life is due so often, in nanoseconds: half of what the service manager waits for. nil where it does not.
    package let watchdogInterval: UInt64?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. The socket lasts as long as the process.
    /// - Returns: nil where nobody wants to know.
    package init?() {
        guard let name = Self.variable("NOTIFY_SOCKET"), let address = UnixAddress(name) else { return nil }
        let flags = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Glibc.socket(AF_UNIX, flags, 0)
        guard socket >= 0 else { return nil }
        self.address = address
        self.socket = socket
        let isOurs = Self.variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        let microseconds = Self.variable("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        watchdogInterval =
            isOurs && microseconds > 0 ? max(min(microseconds, 1 << 40) * 1000 / 2, .milliseconds(1)) : nil
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Tells it. Where the service manager is behind with reading, assignments wait for it, at most a second; a status
    /// alone is not sent then.
    /// - Parameter status: a sentence for people; nil leaves the last one.
    package func tell(_ assignments: [String] = [], status: String? = nil) {
        var text = (assignments + (status.map { ["STATUS=\($0.singleLine)"] } ?? [])).joined(separator: "\n")
        func send() -> Bool {
            text.withUTF8 { bytes in
                address.withSockaddr { sendto(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
            } >= 0
        }
        // The queue's room does not show in poll(2) on a socket that is not connected: asked again and again.
        for _ in 0..<100 {
            guard !send(), errno == EAGAIN, !assignments.isEmpty else { return }
            usleep(10_000)
        }
    }
}
