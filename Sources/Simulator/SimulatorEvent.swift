import Platform
import RFC2217
import SerialLine

/// Something that happened at one virtual COM port.
package enum SimulatorEvent: Equatable, Sendable {
    /// A client, by its address.
    case connected(String)
    /// A further client, turned away.
    case refused(String)
    case disconnected
    /// COM-PORT-OPTION is on.
    case negotiated
    /// Bytes of the client, taken into the transmit buffer.
    case data([UInt8])
    /// A request of the client, carried out.
    case request(SerialRequest)
    /// A request of the client that the serial port could not carry out.
    case failed(SerialRequest)
    case lineStateMask(LineState)
    case modemStateMask(ModemState)
    /// Who the client says it is.
    case signature([UInt8])
    case suspended(Bool)
    /// The client is not read from until it is resumed, or again.
    case stalled(Bool)
    /// The command behind an `exec:` port, by its process id.
    case started(Int32)
    case exited
    /// A serial port behind a `tty:` port went away, or came back.
    case lost(String)
    case found(String)
}

/// One Telnet command or run of data on the wire, in words.
package struct SimulatorTrace: Sendable, CustomStringConvertible {
    package let isFromClient: Bool
    package let words: String

    package var description: String { (isFromClient ? "client: " : "server: ") + words }
}

/// Keeps what happened, for tests.
package final class SimulatorLog: Sendable {
    private let events = Monitor<[(port: Int, event: SimulatorEvent)]>([])

    package init() {}

    /// To be the configuration's observer.
    package var observer: @Sendable (Int, SimulatorEvent) -> Void {
        { port, event in
            self.events.withLock { $0.append((port, event)) }
            self.events.wakeAll()
        }
    }

    /// What happened at one port, in order.
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

    /// Waits until `ready` is true of what happened at the port.
    /// - Returns: false when `seconds` have passed first.
    package func wait(port: Int, seconds: UInt64 = 10, until ready: ([SimulatorEvent]) -> Bool) -> Bool {
        events.wait(until: .now + .seconds(seconds)) { all in ready(all.filter { $0.port == port }.map(\.event)) }
    }
}
