import RFC2217
import SerialLine

/// One TCP connection: the bytes on the way, and the bytes in each end's kernel.
struct ModelConnection {
    let number: Int
    /// Bytes the port's socket has taken and the server's kernel has not.
    private(set) var outbound: [UInt8] = []
    /// Bytes the server's kernel holds.
    private(set) var atServer: [UInt8] = []
    /// Bytes the server has sent, and those of them that the port's kernel holds.
    private(set) var inbound: [UInt8] = []
    private(set) var atPort: [UInt8] = []
    /// The data bytes that the socket has taken whole.
    private(set) var sentData: [UInt8] = []
    private var decoder = TelnetDecoder()

    /// No byte arrives any more, and neither end is told.
    var isCut = false
    /// The port's kernel has a reset, or the server's end behind `inbound`.
    var isReset = false
    var serverHasEnded = false
    /// The port has ended its side.
    var portHasEnded = false
    /// The port sends nothing more (SHUT_WR).
    var portHasShutDown = false
    /// The server's program reads nothing.
    var isStalled = false
    /// Bytes each kernel holds at most.
    var capacity = 4096
    var lastAcknowledgement: MonotonicTime
    /// When the cable was cut, or the server fell silent.
    var cutAt: MonotonicTime?

    init(_ number: Int, now: MonotonicTime) {
        self.number = number
        lastAcknowledgement = now
    }

    var unacknowledged: Int { outbound.count }
    var isWindowShut: Bool { atServer.count >= capacity }
    var room: Int { isReset ? 0 : max(0, capacity - outbound.count) }
    /// The port's kernel has nothing more to give than the end.
    var endsNow: Bool {
        portHasEnded || (atPort.isEmpty && (isReset || (serverHasEnded && inbound.isEmpty && !isCut)))
    }

    mutating func send(_ bytes: ArraySlice<UInt8>) {
        outbound += bytes
        let all = Array(bytes)
        var offset = 0
        let span = all.span
        while let element = decoder.next(span, &offset) {
            if case .data(let range) = element { sentData += all[range] }
        }
    }

    /// The network carries bytes to the server's kernel, which acknowledges them.
    mutating func carryOut(_ count: Int, now: MonotonicTime) {
        let count = min(count, outbound.count, max(0, capacity - atServer.count))
        guard count > 0, !isCut, !isReset else { return }
        atServer += outbound.prefix(count)
        outbound.removeFirst(count)
        lastAcknowledgement = now
    }

    mutating func carryIn(_ count: Int) {
        let count = min(count, inbound.count)
        guard count > 0, !isCut, !isReset else { return }
        atPort += inbound.prefix(count)
        inbound.removeFirst(count)
    }

    mutating func serverReads(_ count: Int) -> [UInt8] {
        let count = min(count, atServer.count)
        defer { atServer.removeFirst(count) }
        return Array(atServer.prefix(count))
    }

    mutating func serverSends(_ bytes: [UInt8]) { if !serverHasEnded { inbound += bytes } }

    mutating func portReads(_ count: Int) -> [UInt8] {
        let count = min(count, atPort.count)
        defer { atPort.removeFirst(count) }
        return Array(atPort.prefix(count))
    }

    /// The server's machine resets the connection: bytes on the way are gone.
    mutating func reset() {
        isReset = true
        inbound.removeAll()
        atServer.removeAll()
    }
}
