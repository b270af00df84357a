import RFC2217
import SerialLine
import SystemPackage

/// Something real at the far end of a virtual COM port's line. Used on its port's thread only.
protocol SerialDevice: AnyObject {
    /// The modem lines it drives.
    var inputs: ModemLines { get }
    /// Whether the simulator paces its line, or the hardware does.
    var isPacedBySimulator: Bool { get }
    /// When `tick` has something to do.
    var deadline: MonotonicTime? { get }

    /// A client is there, for the first time or again.
    func clientConnected(now: MonotonicTime)
    /// No client is there any more: outputs fall, a break ends.
    func clientDisconnected()
    /// Asks for its events: whether it may read, and whether there are bytes for it.
    func addEvents(to polls: inout PollSet, reads: Bool, writes: Bool)
    /// Hands what it has to `port`, `limit` bytes at most.
    func receive(_ polls: PollSet, limit: Int, into port: VirtualPort)
    /// - Returns: how many bytes it took.
    func transmit(_ bytes: borrowing Span<UInt8>) -> Int
    /// Carries a request out; `state` holds afterwards what is true.
    func perform(_ request: SerialRequest, _ state: inout ComPortServer.PortState) throws(Errno)
    /// Does what is due.
    func tick(now: MonotonicTime, port: VirtualPort)
    /// Ends it for good.
    func stop()
}
