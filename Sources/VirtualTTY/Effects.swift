import SystemPackage

/// Identifies one request of the kernel until it is answered.
package struct RequestID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Identifies one open file of the port.
package struct FileID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The answer to one request. Bytes are a range of `Effects.bytes`.
package enum Answer: Equatable, Sendable {
    case error(Errno)
    case opened(FileID)
    /// The file is released; there is no result.
    case done
    case data(Range<Int>)
    case written(Int)
    case ioctl(Range<Int>)
    /// Asks the kernel to repeat the ioctl with this many bytes of its argument copied in, and this many to copy out.
    case ioctlRetry(copyIn: Int, copyOut: Int)
    /// The poll(2) events that are ready: POLLIN and so on.
    case poll(UInt32)
}

/// Severity of a log line.
package enum LogLevel: Int, Sendable, Comparable {
    case error
    case warning
    case notice
    case info
    case debug
    case trace

    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// An action that the state machine asks its owner to carry out.
package enum Effect: Equatable, Sendable {
    case answer(RequestID, Answer)
    /// Let the pollers of this file ask again.
    case notifyPoll(FileID)
    /// Makes the lent discipline carry out this call; the owner then calls `disciplineAnswered`.
    case callDiscipline(RequestID, DisciplineCall)
    /// The lent discipline can receive bytes, or the port has room for the bytes that it transmits.
    case feedDiscipline
    /// Closes the pseudo-terminal, if there is one, after the bytes that the discipline has transmitted (unless those
    /// are discarded); the owner then calls `disciplineWithdrawn`.
    case withdrawDiscipline(discardingRest: Bool)
    /// The reported status, `PortState`, has changed.
    case changed
    /// The port has retired: the process must end.
    case end
    case log(LogLevel, String)
}

/// Effects in the order they happened, and the bytes they carry.
package struct Effects: Sendable {
    package var list: [Effect] = []
    package var bytes: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { list.isEmpty }

    /// Removes all effects, and keeps the memory.
    package mutating func removeAll() {
        list.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: bytes.count <= 65536)
    }
}

extension Errno {
    /// ENOTTY: the ioctl is not one that this port answers.
    static let notTTY = Errno.inappropriateIOCTLForDevice
}
