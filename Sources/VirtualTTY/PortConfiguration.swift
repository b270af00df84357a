import SerialLine

/// The user's choices for one port.
package struct PortConfiguration: Sendable {
    /// When the connection to the remote port is held.
    package enum ConnectPolicy: String, Sendable, CaseIterable {
        /// From the first open to the last close.
        case open
        /// From start to end.
        case always
    }

    /// How much output the port takes from programs before a writer waits.
    package enum Ahead: Equatable, Sendable {
        /// This many bytes are queued; they are sent at the pace of the line (`WriteWindow`).
        case bytes(Int)
        /// Output is sent as fast as the socket takes it.
        case unlimited

        /// The values that users may choose, in bytes.
        package static let range = 256...1_048_576
    }

    /// What happens to DTR and RTS at the first open and the last close.
    package enum LinePolicy: String, Sendable, CaseIterable {
        case raise
        case leave
    }

    /// The remote port's servers, in the order in which they are tried.
    package var servers: [Endpoint] = []
    package var connect = ConnectPolicy.open
    /// How long the connection is kept after the last close, in nanoseconds.
    package var linger: UInt64 = 0
    /// How long open(2) waits for connection and negotiation, in nanoseconds.
    package var connectTimeout: UInt64 = .seconds(5)
    /// How long a lost connection is retried before open files are hung up, in nanoseconds; nil: without limit, 0: no
    /// retry.
    package var lossTimeout: UInt64? = .seconds(15)
    /// Nanoseconds without any acknowledgement before the connection is considered dead.
    package var deadAfter: UInt64 = .seconds(20)
    package var ahead = Ahead.bytes(TransmitQueue.defaultCapacity)
    package var lines = LinePolicy.raise
    /// tcsetattr(3) waits for the server's answer, so that tcgetattr(3) returns the settings that the server uses.
    package var awaitsSettings = true
    /// SET-CONTROL values of the vendor's RS485 half-duplex extension. The defaults are unconfirmed.
    package var rs485On: UInt8 = 20
    package var rs485Off: UInt8 = 21
    /// The process can lend the line to disciplines for which the kernel wants CAP_NET_ADMIN.
    package var keepsNetworkAdministration = false
    /// Log lines below this severity are not written.
    package var logLevel = LogLevel.notice
    /// Minor number of the device, for TIOCGSERIAL.
    package var minor: UInt32 = 0

    package init() {}
}
