import SerialLine

/// The line clock: the time at which the line will have sent everything that has gone to the socket, reckoned as bytes
/// times frame time at the rate.
struct LineClock: Sendable {
    /// Bytes that may go to the line without a look at the clock. Their time on the line is reckoned from a little too
    /// late, by no more than these bytes take.
    private static let untimedLimit = 64
    /// A server has a buffer. The line must have sent what the server has taken beyond that buffer. If the rate does not
    /// allow for it, there is no line behind the server: a pseudo-terminal, a program.
    private static let largestServerBuffer: UInt64 = 65536

    /// When the line is free, but for `untimed`.
    private(set) var freeAt = MonotonicTime(nanoseconds: 0)
    /// The far end was seen to take bytes faster than a line at this rate can.
    private(set) var isUnpaced = false
    /// Bytes gone to the socket whose time on the line is not reckoned yet.
    private var untimed = 0

    var hasUntimed: Bool { untimed > 0 }
    /// So many bytes are untimed that `reckon` must follow.
    var wantsReckoning: Bool { untimed >= Self.untimedLimit }

    /// Data bytes have gone to the socket.
    mutating func sent(_ count: Int) { untimed += count }

    /// Adds the time that the bytes gone to the socket take on the line.
    /// - Parameter frame: the time of one byte on the line, in nanoseconds.
    mutating func reckon(_ time: inout EventTime, frame: UInt64) {
        guard untimed > 0 else { return }
        if !isUnpaced { freeAt = max(freeAt, time.now) + UInt64(untimed) &* frame }
        untimed = 0
    }

    /// The line has dropped everything it had to send.
    mutating func clear(_ time: inout EventTime) {
        untimed = 0
        freeAt = time.now
    }

    /// The server has taken everything sent until now. If the line cannot have sent that yet, the line is unpaced.
    mutating func everythingTaken(_ time: inout EventTime, frame: UInt64) {
        reckon(&time, frame: frame)
        guard freeAt.since(time.now) > Self.largestServerBuffer &* frame else { return }
        isUnpaced = true
        freeAt = time.now
    }

    /// A new connection may lead to another server.
    mutating func forgetServer() { isUnpaced = false }
}
