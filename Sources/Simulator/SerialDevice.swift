import RFC2217
import SerialLine
import SystemPackage

/// A real device at the far end of a virtual COM port's line. Only its port's thread uses it.
protocol SerialDevice: AnyObject {
    /// The modem lines it drives.
    var inputs: ModemLines { get }
    /// Whether the simulator paces its line, or the hardware does.
    var isPacedBySimulator: Bool { get }
    /// When `tick` must be called.
    var deadline: MonotonicTime? { get }

    /// A client has connected.
    func clientConnected(now: MonotonicTime)
    /// The client has gone: outputs fall, a break ends.
    func clientDisconnected()
    /// Adds its descriptors and events: `reads` if it may read, `writes` if there are bytes for it.
    func addEvents(to polls: inout PollSet, reads: Bool, writes: Bool)
    /// Passes received bytes to `port`, `limit` at most.
    func receive(_ polls: PollSet, limit: Int, into port: VirtualPort)
    /// - Returns: number of bytes taken.
    func transmit(_ bytes: borrowing Span<UInt8>) -> Int
    /// Carries out a request; afterwards `state` contains the actual settings.
    func perform(_ request: SerialRequest, _ state: inout ComPortServer.PortState) throws(Errno)
    /// Carries out due work.
    func tick(now: MonotonicTime, port: VirtualPort)
    /// Ends the device permanently.
    func stop()
}
