import SerialLine

/// How many bytes the kernel may be handed without any of them having to wait for the peer's window. Bytes that wait in
/// the kernel cannot be flushed; and while some wait for a window that is shut, the kernel sends no keepalive, and its
/// window probes become as rare as one in two minutes.
package struct PeerWindow {
    /// What the kernel says of a connection.
    package struct State: Equatable {
        /// The peer's receive window in bytes; nil if this kernel does not tell it.
        package var window: Int?
        /// Bytes the kernel has that the peer has not acknowledged.
        package var unacknowledged: Int

        package init(window: Int?, unacknowledged: Int) {
            self.window = window
            self.unacknowledged = unacknowledged
        }

        /// Bytes that the peer has room for.
        package var room: Int { window.map { max(0, $0 - unacknowledged) } ?? .max }
    }

    /// Bytes the peer had room for at the last look, less those handed over since.
    private var credit = 0

    package init() {}

    /// How many of `wanted` bytes may be handed over. Looks at the connection only if the last look does not suffice.
    package mutating func allowance(for wanted: Int, look: () -> State) -> Int {
        if credit < wanted { credit = look().room }
        return min(wanted, credit)
    }

    /// Bytes have been handed over.
    package mutating func handed(_ count: Int) { credit -= min(count, credit) }
}

/// Pauses between looks at a window that is shut: short at first, because a window that a busy peer keeps moving opens
/// within a round trip, and longer the longer it stays shut.
package struct WindowPause {
    package static let shortest: UInt64 = .milliseconds(1)
    package static let longest: UInt64 = .milliseconds(50)

    package private(set) var next = shortest

    package init() {}

    package mutating func grow() { next = min(next * 2, Self.longest) }
    package mutating func reset() { next = Self.shortest }
}
