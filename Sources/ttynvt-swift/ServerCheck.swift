import Logging
import Platform
import RFC2217
import RemotePort
import SerialLine

/// `--check`: one connection before any program makes one, to say at once what is wrong with the server.
struct ServerCheck {
    private let endpoint: Endpoint
    private let timeout: Double

    init(_ endpoint: Endpoint, timeout: Double) {
        self.endpoint = endpoint
        self.timeout = timeout
    }

    func run(_ log: Logger) throws {
        let report = try ServerProbe(endpoint, timeout: UInt64(timeout * 1e9)).run()
        guard report.isRFC2217 else {
            let said =
                report.heard.isEmpty ? "it said nothing else" : "it said \"\(report.heard.printable(limit: 60))\""
            throw Failure("\(endpoint) does not speak RFC 2217: \(report.refusal); \(said)")
        }
        log.notice("\(endpoint) speaks RFC 2217; it answers queries of \(report.answered)")
    }
}
