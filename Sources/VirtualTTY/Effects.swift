import SystemPackage

/// Names one request of the kernel's until it is answered.
package struct RequestID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names one open file of the port.
package struct FileID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The answer to one request. Bytes are a range of `Effects.bytes`.
package enum Answer: Equatable, Sendable {
    case error(Errno)
    case opened(FileID)
    /// Nothing more to say: release.
    case done
    case data(Range<Int>)
    case written(Int)
    case ioctl(Range<Int>)
    /// The kernel is to call again with so many bytes of the argument copied in, and so many to be copied out.
    case ioctlRetry(copyIn: Int, copyOut: Int)
    /// What poll(2) sees: POLLIN and so on.
    case poll(UInt32)
}

/// How loud a log line is.
package enum LogLevel: Int, Sendable, Comparable {
    case error
    case warning
    case notice
    case info
    case debug
    case trace

    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// What the world is to do about the port.
package enum Effect: Equatable, Sendable {
    case answer(RequestID, Answer)
    /// Let the pollers of this file ask again.
    case notifyPoll(FileID)
    /// Have the lent discipline do this; `disciplineAnswered` is to follow.
    case callDiscipline(RequestID, DisciplineCall)
    /// There are received bytes for the lent discipline, or there is room for what it transmits.
    case feedDiscipline
    /// Give the pseudo-terminal up, where there is one, after what the discipline has transmitted (unless that is
    /// discarded); `disciplineWithdrawn` is to follow.
    case withdrawDiscipline(discardingRest: Bool)
    /// What people are told about the port has changed: `PortState`.
    case changed
    /// The port has retired: its process is to end.
    case end
    case log(LogLevel, String)
}

/// Effects in the order they happened, and the bytes they carry.
package struct Effects: Sendable {
    package var list: [Effect] = []
    package var bytes: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { list.isEmpty }

    /// Forgets all, keeping the memory.
    package mutating func removeAll() {
        list.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: bytes.count <= 65536)
    }
}

extension Errno {
    /// ENOTTY: this is no ioctl of ours.
    static let notTTY = Errno.inappropriateIOCTLForDevice
}
