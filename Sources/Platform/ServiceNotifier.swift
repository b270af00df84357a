import Glibc
import SerialLine

/// Reports the state of this process to the service manager (sd_notify(3)): datagrams of lines `KEY=value`.
package struct ServiceNotifier: Sendable {
    private let address: UnixAddress
    private let socket: Int32
    /// Interval of the watchdog messages, in nanoseconds: half of the service manager's limit. nil if there is no
    /// watchdog.
    package let watchdogInterval: UInt64?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. The socket remains open until the process ends.
    /// - Returns: nil if the process was not started by a service manager that expects messages.
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

    /// Sends a message. If the service manager is behind with reading, assignments wait for it, at most a second; a
    /// status alone is then dropped.
    /// - Parameter status: a sentence for users; nil keeps the last one.
    package func tell(_ assignments: [String] = [], status: String? = nil) {
        var text = (assignments + (status.map { ["STATUS=\($0.singleLine)"] } ?? [])).joined(separator: "\n")
        func send() -> Bool {
            text.withUTF8 { bytes in
                address.withSockaddr { sendto(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
            } >= 0
        }
        // poll(2) does not show the queue's room on an unconnected socket, so sending is retried.
        for _ in 0..<100 {
            guard !send(), errno == EAGAIN, !assignments.isEmpty else { return }
            usleep(10_000)
        }
    }
}
