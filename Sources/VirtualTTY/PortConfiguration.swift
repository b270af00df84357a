import SerialLine

/// How one port behaves where users may choose.
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
        /// So many bytes are queued; they go on at the pace of the line (`WriteWindow`).
        case bytes(Int)
        /// Output goes on as fast as the socket takes it, whatever the line does.
        case unlimited

        /// The bytes that may be chosen.
        package static let range = 256...1_048_576
    }

    /// What happens to DTR and RTS at the first open and the last close.
    package enum LinePolicy: String, Sendable, CaseIterable {
        case raise
        case leave
    }

    /// Where the remote port may be, in the order in which the servers are tried.
    package var servers: [Endpoint] = []
    package var connect = ConnectPolicy.open
    /// How long the connection is kept after the last close, in nanoseconds.
    package var linger: UInt64 = 0
    /// How long open(2) waits for connection and negotiation, in nanoseconds.
    package var connectTimeout: UInt64 = .seconds(5)
    /// How long a lost connection is tried to be made again before open files are hung up; nil for ever, 0 not at all.
    package var lossTimeout: UInt64? = .seconds(15)
    /// A peer whose kernel acknowledges nothing for this time counts as dead, in nanoseconds.
    package var deadAfter: UInt64 = .seconds(20)
    package var ahead = Ahead.bytes(TransmitQueue.defaultCapacity)
    package var lines = LinePolicy.raise
    /// tcsetattr(3) waits for the server's answer, so that what reads back is the truth.
    package var awaitsSettings = true
    /// SET-CONTROL values of the vendor's RS485 half-duplex extension. The defaults are a guess.
    package var rs485On: UInt8 = 20
    package var rs485Off: UInt8 = 21
    /// The process can lend the line to disciplines for which the kernel wants CAP_NET_ADMIN.
    package var keepsNetworkAdministration = false
    /// Log lines louder than this are not made.
    package var logLevel = LogLevel.notice
    /// Device numbers, for TIOCGSERIAL.
    package var minor: UInt32 = 0

    package init() {}
}
