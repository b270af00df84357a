import SerialLine

/// The number of bytes that can be passed to the kernel without waiting for the peer's window. Bytes that wait in the
/// kernel cannot be flushed; and while some wait for a closed window, the kernel sends no keepalive, and its window
/// probes become as rare as one in two minutes.
package struct PeerWindow {
    /// The kernel's view of a connection.
    package struct State: Equatable {
        /// The peer's receive window in bytes; nil if this kernel does not report it.
        package var window: Int?
        /// Bytes passed to the kernel that the peer has not acknowledged.
        package var unacknowledged: Int

        package init(window: Int?, unacknowledged: Int) {
            self.window = window
            self.unacknowledged = unacknowledged
        }

        /// Bytes that the peer has room for.
        package var room: Int { window.map { max(0, $0 - unacknowledged) } ?? .max }
    }

    /// Bytes that the peer had room for at the last look, less the bytes passed since.
    private var credit = 0

    package init() {}

    /// How many of `wanted` bytes may be passed to the kernel. Calls `look` only if the last result does not suffice.
    package mutating func allowance(for wanted: Int, look: () -> State) -> Int {
        if credit < wanted { credit = look().room }
        return min(wanted, credit)
    }

    /// Bytes were passed to the kernel.
    package mutating func handed(_ count: Int) { credit -= min(count, credit) }
}

/// Pauses between looks at a closed window: short at first, because the window of a busy peer opens within a round
/// trip, and longer the longer it is closed.
package struct WindowPause {
    package static let shortest: UInt64 = .milliseconds(1)
    package static let longest: UInt64 = .milliseconds(50)

    package private(set) var next = shortest

    package init() {}

    package mutating func grow() { next = min(next * 2, Self.longest) }
    package mutating func reset() { next = Self.shortest }
}
