import RFC2217
import SerialLine
import SystemPackage

/// The configuration of a simulator.
package struct SimulatorConfiguration: Sendable {
    /// The address to listen on: a name or a number.
    package var address = "127.0.0.1"
    /// The TCP port of the first COM port; the others follow. 0: any free port for each.
    package var firstPort: UInt16 = 0
    /// Number of COM ports.
    package var ports = 2
    /// One for all ports, or one for each.
    package var wirings: [Wiring] = [.loopback]
    /// Bytes take their time on the line, and `transmitBuffer` and `receiveBuffer` apply.
    package var isPaced = false
    /// The server's transmit buffer, in bytes. 0: a byte remains in the socket until the line takes it, and a command
    /// waits until the bytes before it have left the line.
    package var transmitBuffer = 4096
    /// The receive window of a client's socket, in bytes: the kernel holds about this much of the client's data. The line
    /// idles if the window is smaller than the data that the line sends in one round trip.
    package var receiveBuffer = 64 * 1024
    /// How much faster the line is than its rate, in percent; slower if negative.
    package var rateErrorPercent = 0.0
    package var profile = ServerProfile()
    package var faults = Faults()
    /// Called for each event, with the port's number, in order for each port, on the port's thread. Must not wait for
    /// the simulator.
    package var observer: (@Sendable (Int, SimulatorEvent) -> Void)?
    /// Called with the number of bytes that have left a port's line, and the time of the last of them, on the port's
    /// thread.
    package var lineObserver: (@Sendable (Int, MonotonicTime, Int) -> Void)?
    /// Called for each Telnet command of either side, in words.
    package var trace: (@Sendable (Int, SimulatorTrace) -> Void)?

    package init() {}

    /// Buffer size of a client's socket, in bytes; nil: chosen by the kernel.
    var socketBuffer: Int? { isPaced ? receiveBuffer : nil }

    func wiring(of port: Int) -> Wiring { port < wirings.count ? wirings[port] : wirings.last ?? .loopback }

    func check() throws(SimulatorError) {
        guard (1...1024).contains(ports) else { throw .badConfiguration("\(ports) ports: 1 to 1024 can be simulated") }
        guard firstPort == 0 || Int(firstPort) + ports - 1 <= 65535 else {
            throw .badConfiguration("\(ports) ports from TCP port \(firstPort) on go past 65535")
        }
        guard wirings.count == 1 || wirings.count == ports else {
            throw .badConfiguration("\(wirings.count) wirings for \(ports) ports: give one for all, or one for each")
        }
        guard (0...(1 << 20)).contains(transmitBuffer) else {
            throw .badConfiguration("a transmit buffer of \(transmitBuffer) bytes: 0 to 1048576 can be simulated")
        }
        guard (4096...(1 << 24)).contains(receiveBuffer) else {
            throw .badConfiguration("a receive buffer of \(receiveBuffer) bytes: 4096 to 16777216 can be simulated")
        }
        guard (-50...50).contains(rateErrorPercent) else {
            throw .badConfiguration("a rate error of \(rateErrorPercent) percent: -50 to 50 can be simulated")
        }
        for port in 0..<ports where wiring(of: port) == .nullModem {
            guard port ^ 1 < ports, wiring(of: port ^ 1) == .nullModem else {
                throw .badConfiguration(
                    "port \(port) has no neighbour: null-modem ports come in pairs, 0 and 1, 2 and 3")
            }
        }
    }
}

/// The reason why a simulator does not start.
package enum SimulatorError: Error, CustomStringConvertible {
    case badConfiguration(String)
    case badAddress(String)
    case cannotListen(String, Errno)
    case cannotOpen(String, Errno)
    case system(String, Errno)

    package var description: String {
        switch self {
        case .badConfiguration(let reason), .badAddress(let reason): reason
        case .cannotListen(let address, let error): "cannot listen on \(address): \(error)"
        case .cannotOpen(let path, let error): "cannot use \(path) as a serial port: \(error)"
        case .system(let what, let error): "\(what): \(error)"
        }
    }
}
