import Platform
import RFC2217
import RemotePort
import SerialLine
import VirtualTTY

/// `--check`: connects once before any program does, to report a problem with the server at once. One of several
/// servers must be right.
struct ServerCheck {
    private let servers: [Endpoint]
    private let timeout: UInt64

    /// - Parameter timeout: for each server, in nanoseconds.
    init(_ servers: [Endpoint], timeout: UInt64) {
        self.servers = servers
        self.timeout = timeout
    }

    func run(_ log: PortLog) throws {
        var failures: [String] = []
        for endpoint in servers {
            do {
                return try check(endpoint, log)
            } catch {
                failures.append("\(error)")
            }
        }
        throw Failure(failures.joined(separator: "; "))
    }

    private func check(_ endpoint: Endpoint, _ log: PortLog) throws {
        let report = try ServerProbe(endpoint, timeout: timeout).run()
        guard report.isRFC2217 else {
            let text = ServerText(report.heard)
            throw Failure("\(endpoint) \(text.diagnosis(report.refusal, hasClosed: report.hasClosed))")
        }
        log.log(.notice, "\(endpoint) speaks RFC 2217; it answers queries of \(report.answered)")
    }
}
