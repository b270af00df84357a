import Glibc
import Platform
import SerialLine
import SystemPackage

/// The reason why a request to a port failed, in one line.
package enum PortControlError: Error, Equatable, CustomStringConvertible {
    /// No such port runs.
    case noSuchPort(DeviceName)
    case notPermitted(DeviceName)
    /// The port did not answer in time, or the answer was malformed.
    case noAnswer(DeviceName, String)
    /// The port refused the request.
    case refused(DeviceName, String)

    package var description: String {
        switch self {
        case .noSuchPort(let name): "no port '\(name)' is running"
        case .notPermitted(let name): "no permission to ask port '\(name)'"
        case .noAnswer(let name, let why): "port '\(name)' does not answer: \(why)"
        case .refused(let name, let why): "port '\(name)' refuses: \(why)"
        }
    }
}

/// Sends requests to one port, and waits for the replies. Each request uses a connection of its own. Poll loops use
/// `ControlExchange`.
package struct PortControlClient: Sendable {
    package let name: DeviceName
    private let base: String
    private let timeout: UInt64

    /// - Parameter timeout: for one request, in nanoseconds.
    package init(_ name: DeviceName, in base: String = PortControl.base, timeout: UInt64 = .seconds(1)) {
        self.name = name
        self.base = base
        self.timeout = timeout
    }

    package func status() throws(PortControlError) -> PortStatus { try ControlExchange.status(name, ask(.status)) }

    /// Replaces the servers; an established connection is kept.
    package func setServers(_ servers: [Endpoint]) throws(PortControlError) { try order(.servers(servers)) }

    /// Makes the port end once no program has it open.
    package func retire() throws(PortControlError) { try order(.retire) }

    /// Cancels `retire`.
    package func keep() throws(PortControlError) { try order(.keep) }

    /// The process that serves the port, as reported by the kernel.
    package func pid() throws(PortControlError) -> Int32 {
        do throws(ControlExchange.ConnectError) {
            let socket = try ControlExchange.connect(name, in: base)
            do { return try PeerCredentials(of: socket.raw).pid } catch { throw .itself(error) }
        } catch {
            switch error {
            case .port(let why): throw why
            case .itself(let why): throw .noAnswer(name, "\(why)")
            }
        }
    }

    private func order(_ request: ControlRequest) throws(PortControlError) {
        try ControlExchange.check(name, ask(request))
    }

    private func ask(_ request: ControlRequest) throws(PortControlError) -> [UInt8] {
        let result: Result<[UInt8], PortControlError>
        do throws(Errno) { result = try reply(to: request) } catch { throw .noAnswer(name, "\(error)") }
        return try result.get()
    }

    private func reply(to request: ControlRequest) throws(Errno) -> Result<[UInt8], PortControlError> {
        let exchange = try ControlExchange(name, request, in: base, timeout: timeout)
        while true {
            if let result = exchange.result { return result }
            var polls = [pollfd(fd: exchange.raw, events: Int16(POLLIN), revents: 0)]
            try waitForEvents(&polls, nanoseconds: exchange.deadline.nanosecondsFromNow)
            exchange.advance(.now)
        }
    }
}
