import Logging
import Platform
import SerialLine
import VirtualTTY

/// A port's log. Its lines contain the servers, which may change.
final class PortLog: Sendable {
    private let logger: Monitor<Logger>

    init(_ logger: Logger) { self.logger = Monitor(logger) }

    /// Sets the servers that lines contain.
    func setServers(_ servers: [Endpoint]) {
        logger.withLock { $0[metadataKey: "server"] = "\(servers.listed)" }
    }

    func log(_ level: LogLevel, _ text: String) {
        let logger = logger.withLock { $0 }
        logger.log(level: level.swiftLogLevel, "\(text)")
    }
}

extension LogLevel {
    var swiftLogLevel: Logger.Level {
        switch self {
        case .error: .error
        case .warning: .warning
        case .notice: .notice
        case .info: .info
        case .debug: .debug
        case .trace: .trace
        }
    }
}
