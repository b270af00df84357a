import Glibc
import Platform
import SerialLine
import SystemPackage

/// The descriptors and events that one turn of a thread waits for.
struct PollSet {
    private var entries: [pollfd] = []

    /// The index of an entry, for `events` after `wait`.
    typealias Place = Int

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    mutating func add(_ descriptor: Int32, _ events: Int32) -> Place {
        entries.append(pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0))
        return entries.count - 1
    }

    /// Waits for an event, or until the deadline.
    mutating func wait(until deadline: MonotonicTime?) throws(Errno) {
        let nanoseconds = deadline.map { $0.since(.now) }
        try waitForEvents(&entries, nanoseconds: nanoseconds)
    }

    /// The events of an entry; 0 for nil.
    func events(_ place: Place?) -> Int32 {
        guard let place, place < entries.count else { return 0 }
        return Int32(entries[place].revents)
    }
}

/// The earlier of two moments; nil means never.
func earlier(_ a: MonotonicTime?, _ b: MonotonicTime?) -> MonotonicTime? {
    guard let a else { return b }
    guard let b else { return a }
    return min(a, b)
}
