import SerialLine

/// Returns the current time.
package typealias Clock = @Sendable () -> MonotonicTime

/// The time of the event being handled. The clock is read at most once in an event, and not at all if no deadline is
/// concerned: in a virtual machine, reading it may be a system call.
struct EventTime: Sendable {
    private let clock: Clock
    private var known: MonotonicTime?

    init(_ clock: @escaping Clock) { self.clock = clock }

    /// A new event begins: its time has not been read yet.
    mutating func begin() { known = nil }

    var now: MonotonicTime {
        mutating get {
            if let known { return known }
            let time = clock()
            known = time
            return time
        }
    }
}
