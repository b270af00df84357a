import SerialLine

/// When each port is asked for its status next. Pure: the time is an argument.
///
/// A port that answers is asked again after a minute, or after a second if it is watched closely; one that does not,
/// after a pause that doubles up to a minute. Minutes begin at another moment for each port.
struct StatusRounds {
    /// In nanoseconds.
    static let usual: UInt64 = .seconds(60)
    static let close: UInt64 = .seconds(1)
    /// Minutes end at multiples of this: the supervisor wakes up for a batch of ports, not for each.
    static let batch: UInt64 = .seconds(4)
    static let firstPause: UInt64 = .seconds(1)
    /// This number of missing answers in a row is worth a log line.
    static let suspicious = 3

    private struct Entry {
        /// nil while it is being asked.
        var next: MonotonicTime?
        var silences = 0
        var hasAnswered = false
    }

    private var entries: [DeviceName: Entry] = [:]
    /// Ports that are asked each second, as long as they answer.
    private(set) var watchedClosely: Set<DeviceName> = []

    /// All ports that run, as far as is known.
    var names: Set<DeviceName> { Set(entries.keys) }

    func contains(_ name: DeviceName) -> Bool { entries[name] != nil }

    /// Is a port there that has never answered?
    func isUnclear(_ name: DeviceName) -> Bool { entries[name].map { !$0.hasAnswered } ?? false }

    /// These are asked each second from now on, and no others.
    mutating func watchClosely(_ names: Set<DeviceName>, _ now: MonotonicTime) {
        for name in names.subtracting(watchedClosely) { hurry(name, within: Self.close, now) }
        watchedClosely = names
    }

    /// A port runs, or may run: it is asked at once.
    mutating func add(_ name: DeviceName, _ now: MonotonicTime) { entries[name, default: Entry()].next = now }

    /// Has a port asked after `pause` nanoseconds, or earlier.
    mutating func hurry(_ name: DeviceName, within pause: UInt64, _ now: MonotonicTime) {
        guard let next = entries[name]?.next else { return }
        entries[name]?.next = min(next, now + pause)
    }

    mutating func remove(_ name: DeviceName) { entries[name] = nil }

    /// Those whose time has come. Each is being asked from now on, until it is `answered` or `silent`.
    mutating func takeDue(_ now: MonotonicTime) -> [DeviceName] {
        let due = entries.filter { $0.value.next.map { $0 <= now } ?? false }.map(\.key)
        for name in due { entries[name]?.next = nil }
        return due
    }

    /// A port has answered.
    /// - Returns: was its silence conspicuous before?
    @discardableResult
    mutating func answered(_ name: DeviceName, _ now: MonotonicTime) -> Bool {
        guard let entry = entries[name] else { return false }
        let wait = entry.hasAnswered ? Self.usual : Self.spread(name)
        let next = watchedClosely.contains(name) ? now + Self.close : Self.aligned(now + wait)
        entries[name] = Entry(next: next, hasAnswered: true)
        return entry.silences >= Self.suspicious
    }

    /// A port has not answered.
    /// - Returns: does its silence become conspicuous with that?
    mutating func silent(_ name: DeviceName, _ now: MonotonicTime) -> Bool {
        guard let entry = entries[name] else { return false }
        let pause = min(Self.usual, Self.firstPause << UInt64(min(entry.silences, 6)))
        entries[name]?.next = now + pause
        entries[name]?.silences = min(entry.silences + 1, 1000)
        return entry.silences + 1 == Self.suspicious
    }

    var nextDeadline: MonotonicTime? { entries.values.lazy.compactMap(\.next).min() }

    private static func aligned(_ time: MonotonicTime) -> MonotonicTime {
        MonotonicTime(nanoseconds: time.nanoseconds - time.nanoseconds % Self.batch)
    }

    /// The first minute is a part of one, which depends on the name: ports that start together are not asked together.
    private static func spread(_ name: DeviceName) -> UInt64 {
        let hash = name.description.utf8.reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }
        return batch + hash % (usual - batch)
    }
}
