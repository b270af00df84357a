import Platform
import RFC2217
import SerialLine

/// An event of one virtual COM port.
package enum SimulatorEvent: Equatable, Sendable {
    /// A client has connected, from this address.
    case connected(String)
    /// A further client was refused.
    case refused(String)
    case disconnected
    /// COM-PORT-OPTION is on.
    case negotiated
    /// Bytes of the client were put into the transmit buffer.
    case data([UInt8])
    /// A request of the client was carried out.
    case request(SerialRequest)
    /// A request of the client that the serial port could not carry out.
    case failed(SerialRequest)
    case lineStateMask(LineState)
    case modemStateMask(ModemState)
    /// The client's signature.
    case signature([UInt8])
    case suspended(Bool)
    /// Reading from the client was stopped (true), or resumed (false).
    case stalled(Bool)
    /// The command behind an `exec:` port was started, with this process ID.
    case started(Int32)
    case exited
    /// A serial port behind a `tty:` port disappeared, or returned.
    case lost(String)
    case found(String)
}

/// One Telnet command or run of data on the wire, in words.
package struct SimulatorTrace: Sendable, CustomStringConvertible {
    package let isFromClient: Bool
    package let words: String

    package var description: String { (isFromClient ? "client: " : "server: ") + words }
}

/// Records events, for tests.
package final class SimulatorLog: Sendable {
    private let events = Monitor<[(port: Int, event: SimulatorEvent)]>([])

    package init() {}

    /// For the configuration's observer.
    package var observer: @Sendable (Int, SimulatorEvent) -> Void {
        { port, event in
            self.events.withLock { $0.append((port, event)) }
            self.events.wakeAll()
        }
    }

    /// The events of one port, in order.
    package func events(of port: Int) -> [SimulatorEvent] {
        events.withLock { $0.filter { $0.port == port }.map(\.event) }
    }

    /// The requests of one port's clients, in order.
    package func requests(of port: Int) -> [SerialRequest] {
        events(of: port).compactMap { if case .request(let request) = $0 { request } else { nil } }
    }

    /// All data of one port's clients.
    package func data(of port: Int) -> [UInt8] {
        events(of: port).flatMap { if case .data(let bytes) = $0 { bytes } else { [UInt8]() } }
    }

    package func clear() { events.withLock { $0.removeAll() } }

    /// Waits until `ready` returns true for the port's events.
    /// - Returns: false if `seconds` have passed before.
    package func wait(port: Int, seconds: UInt64 = 10, until ready: ([SimulatorEvent]) -> Bool) -> Bool {
        events.wait(until: .now + .seconds(seconds)) { all in ready(all.filter { $0.port == port }.map(\.event)) }
    }
}
