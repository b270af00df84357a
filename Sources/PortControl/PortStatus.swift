import SerialLine

/// What a port is doing, as it says itself.
package struct PortStatus: Equatable, Sendable {
    /// What the line got wrong since the port started.
    package struct LineErrors: Equatable, Sendable {
        package var framing: UInt64 = 0
        package var parity: UInt64 = 0
        package var overrun: UInt64 = 0
        package var breaks: UInt64 = 0
        package var bufferOverrun: UInt64 = 0

        package init() {}

        package var isEmpty: Bool { self == LineErrors() }
    }

    /// The last thing that went wrong.
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
    /// Where the remote port may be, in the order in which that is tried.
    package var servers: [Endpoint] = []
    /// The address connected to, `192.0.2.7:10000`; nil where there is no connection.
    package var peer: String?
    package var link = LinkState.idle
    /// When the link came to be so, and when the port started: Unix time, in seconds.
    package var since: Int64 = 0
    package var started: Int64 = 0
    /// `115200 8N1`, and the flow control where there is any.
    package var settings = ""
    /// DTR and RTS as commanded, and the far end's lines as reported.
    package var outputs: ModemLines = []
    package var inputs: ModemLines = []
    /// Bytes of data since the port started.
    package var received: UInt64 = 0
    package var transmitted: UInt64 = 0
    package var errors = LineErrors()
    /// How often a lost connection was made again.
    package var reconnects: UInt64 = 0
    /// For each open file, the thread that opened it; 0 where it cannot be seen from the port's process.
    package var openers: [Int32] = []
    package var lastError: Fault?
    /// The port ends once no program has it open.
    package var isRetiring = false
    /// The arguments the port was started with, without its servers: what it would be started with again.
    package var options: [String] = []

    package init(name: DeviceName) { self.name = name }
}
