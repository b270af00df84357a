import SerialLine

/// The status of a port, as reported by the port.
package struct PortStatus: Equatable, Sendable {
    /// Errors of the line since the port started.
    package struct LineErrors: Equatable, Sendable {
        package var framing: UInt64 = 0
        package var parity: UInt64 = 0
        package var overrun: UInt64 = 0
        package var breaks: UInt64 = 0
        package var bufferOverrun: UInt64 = 0

        package init() {}

        package var isEmpty: Bool { self == LineErrors() }
    }

    /// The last error.
    package struct Fault: Equatable, Sendable {
        package var text: String
        /// Unix time, in seconds.
        package var at: Int64

        package init(_ text: String, at: Int64) {
            self.text = text
            self.at = at
        }
    }

    /// The device's name, `ttyX`.
    package var name: DeviceName
    package var major: UInt32 = 0
    package var minor: UInt32 = 0
    package var pid: Int32 = 0
    /// The servers, in the order in which they are tried.
    package var servers: [Endpoint] = []
    /// The address of the connection, `192.0.2.7:10000`; nil while there is no connection.
    package var peer: String?
    package var link = LinkState.idle
    /// When the link entered its state, and when the port started: Unix time, in seconds.
    package var since: Int64 = 0
    package var started: Int64 = 0
    /// `115200 8N1`, followed by the flow control, if any.
    package var settings = ""
    /// DTR and RTS as commanded, and the far end's lines as reported.
    package var outputs: ModemLines = []
    package var inputs: ModemLines = []
    /// Bytes of data since the port started.
    package var received: UInt64 = 0
    package var transmitted: UInt64 = 0
    package var errors = LineErrors()
    /// How many times a lost connection was made again.
    package var reconnects: UInt64 = 0
    /// For each open file, the thread that opened it; 0 if that thread is not visible to the port's process.
    package var openers: [Int32] = []
    package var lastError: Fault?
    /// The port ends once no program has it open.
    package var isRetiring = false
    /// The arguments of the port's process, without its servers.
    package var options: [String] = []

    package init(name: DeviceName) { self.name = name }
}
