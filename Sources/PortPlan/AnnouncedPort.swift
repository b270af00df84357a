import SerialLine

/// A name that is announced, or was until recently: the host that owns it, and the addresses of its server.
///
/// The addresses in use remain. Other addresses of the same host are candidates until the port has failed to connect
/// for the grace period, or, while no program has it open, until the first address has not been announced for that
/// time; then they are tried after the first one. The one that connects is in use from then on. Therefore an attacker
/// that uses the host's name can only have its own address tried while the host's address does not answer; but a host
/// that takes over both name and address of a silent host becomes the port.
struct AnnouncedPort: Equatable, Sendable {
    /// Most addresses in use, and most candidates: both together fit in one list of servers.
    static let mostInUse = [Endpoint].mostServers / 2
    /// Time in which the addresses of a new port, from several interfaces and protocols, arrive, in nanoseconds.
    static let settling: UInt64 = .milliseconds(300)
    /// A name that has existed for this time is remembered, in nanoseconds.
    static let remembersAfter: UInt64 = .seconds(60)

    /// nil for a port that was found running, until a host announces its address.
    var owner: HostName?
    /// The interfaces on which its owner was received.
    var interfaces: [String]
    /// In the order in which they are tried.
    private(set) var inUse: [Endpoint]
    private(set) var candidates: [Endpoint] = []
    /// The addresses that its owner announces.
    private(set) var announced: [Endpoint] = []
    /// The candidates are tried as well.
    private(set) var isPromoted = false
    /// All addresses that arrive during the settling time are in use.
    let settles: Bool
    let countsFrom: MonotonicTime
    /// The beginning of its existence, for `remembersAfter`.
    var livesSince: MonotonicTime
    /// The user has accepted that the next host may take the name. Reset when the name is remembered again.
    var isYielding = false
    let firstSeen: UInt64
    /// When the announcement was first missing; nil while the name is announced.
    private(set) var missingSince: MonotonicTime?
    /// Addresses in use that are no longer announced, and the moment since which they are not.
    private var silent: [Endpoint: MonotonicTime] = [:]
    private(set) var health = PortHealth.idle
    /// Accumulated time without success since the last connection, in nanoseconds, not counting the time since
    /// `failing`.
    private var failed: UInt64 = 0

    /// - Parameters:
    ///   - isKnown: its addresses were in use before, and have settled.
    ///   - firstSeen: Unix time in seconds.
    init(
        owner: HostName?, interfaces: [String], inUse: [Endpoint], isKnown: Bool, firstSeen: UInt64,
        _ now: MonotonicTime
    ) {
        self.owner = owner
        self.interfaces = Array(interfaces.prefix(RememberedPort.mostInterfaces))
        self.inUse = Array(inUse.prefix(Self.mostInUse))
        self.firstSeen = firstSeen
        settles = !isKnown
        countsFrom = isKnown ? now : now + Self.settling
        livesSince = now
    }

    /// Its servers, in the order in which they are tried.
    var servers: [Endpoint] { isPromoted ? inUse.prefix(1) + candidates + inUse.dropFirst() : inUse }

    var isConnected: Bool { if case .connected = health { true } else { false } }

    /// The next decision depends on the state of its connection: an address is waiting, or the announcement is
    /// missing.
    var isWatched: Bool { !candidates.isEmpty || !silent.isEmpty || missingSince != nil }

    /// The port's owner announces these addresses now. With an empty list the owner is present, and the servers do not
    /// change.
    mutating func announce(_ endpoints: [Endpoint], isComplete: Bool, _ now: MonotonicTime) {
        missingSince = nil
        guard !endpoints.isEmpty else { return }
        announced = Array(endpoints.prefix([Endpoint].mostServers))
        if settles && now < countsFrom {
            for endpoint in endpoints where !inUse.contains(endpoint) && inUse.count < Self.mostInUse {
                inUse.append(endpoint)
            }
        }
        candidates = Array(endpoints.filter { !inUse.contains($0) }.prefix(Self.mostInUse))
        for endpoint in inUse {
            silent[endpoint] = endpoints.contains(endpoint) || !isComplete ? nil : silent[endpoint] ?? now
        }
    }

    /// Its owner is not announcing.
    mutating func miss(isComplete: Bool, _ now: MonotonicTime) {
        announced = []
        // While the listing is incomplete, silence means nothing: the grace period begins when the network is
        // received again.
        missingSince = isComplete ? missingSince ?? now : nil
    }

    /// The port reports the state of its connection.
    mutating func observe(_ health: PortHealth, _ now: MonotonicTime) {
        if case .failing(let since) = self.health, health != self.health { failed += now.since(since) }
        self.health = health
        guard case .connected(let text) = health else { return }
        failed = 0
        // The connected address becomes the first, before others that were tried in its place.
        if let place = inUse.firstIndex(where: { $0.isReached(at: text) }) {
            inUse.insert(inUse.remove(at: place), at: 0)
        } else if isPromoted, let place = candidates.firstIndex(where: { $0.isReached(at: text) }) {
            inUse = Array(([candidates.remove(at: place)] + inUse).prefix(Self.mostInUse))
        }
        isPromoted = false
    }

    /// Updates the addresses after time has passed.
    /// - Parameters:
    ///   - grace: in nanoseconds.
    ///   - follows: an address that is no longer announced is replaced by announced ones.
    mutating func advance(grace: UInt64, follows: Bool, _ now: MonotonicTime) {
        if !candidates.isEmpty, hasFailed(grace, now) { isPromoted = true }
        if follows { follow(grace, now) }
        if isConnected, let reached = inUse.first(where: { isConnected(to: $0) }) {
            inUse.removeAll { endpoint in
                endpoint != reached && silent[endpoint].map { now.since($0) >= grace } ?? false
            }
            silent = silent.filter { inUse.contains($0.key) }
        }
    }

    /// Drops addresses that are no longer announced.
    private mutating func follow(_ grace: UInt64, _ now: MonotonicTime) {
        for (place, endpoint) in inUse.enumerated() where !candidates.isEmpty {
            guard let since = silent[endpoint], now.since(since) >= grace, !isConnected(to: endpoint) else { continue }
            inUse[place] = candidates.removeFirst()
            silent[endpoint] = nil
        }
    }

    /// Whether it has been missing for the grace period. If it is connected, the server exists.
    func isGone(grace: UInt64, _ now: MonotonicTime) -> Bool {
        guard let missingSince, !isConnected else { return false }
        return now.since(missingSince) >= grace
    }

    /// When the result of `advance`, of `isGone` or of the remembering changes.
    func nextDeadline(grace: UInt64, _ now: MonotonicTime) -> MonotonicTime? {
        var times = [countsFrom]
        if let missingSince, !isConnected { times.append(missingSince + grace) }
        if !candidates.isEmpty, !isPromoted, case .failing = health, failedFor(now) < grace {
            times.append(now + (grace - failedFor(now)))
        }
        if isConnected || !candidates.isEmpty { times += silent.values.map { $0 + grace } }
        return times.filter { $0 > now }.min()
    }

    /// Drops addresses in use that are no longer allowed.
    mutating func removeInUse(_ isRefused: (Endpoint) -> Bool) {
        inUse.removeAll(where: isRefused)
        candidates.removeAll(where: isRefused)
        silent = silent.filter { inUse.contains($0.key) }
    }

    /// Whether no connection was made for the grace period. For a port that is not open that is unknown: its first
    /// address counts as failed when it is no longer announced, and is still tried first.
    private func hasFailed(_ grace: UInt64, _ now: MonotonicTime) -> Bool {
        switch health {
        case .connected: false
        case .failing: failedFor(now) >= grace
        case .idle: inUse.first.flatMap { silent[$0] }.map { now.since($0) >= grace } ?? false
        }
    }

    private func failedFor(_ now: MonotonicTime) -> UInt64 {
        if case .failing(let since) = health { failed + now.since(since) } else { failed }
    }

    private func isConnected(to endpoint: Endpoint) -> Bool {
        if case .connected(let text) = health { endpoint.isReached(at: text) } else { false }
    }
}

extension Endpoint {
    /// Whether `text` (`address:port`) is this endpoint, with any zone.
    func isReached(at text: String) -> Bool {
        if text == description { return true }
        guard let other = try? Endpoint(parsing: text), other.port == port, let mine = IPAddress(host),
            let address = IPAddress(other.host)
        else { return false }
        return mine.withoutZone == address.withoutZone
    }
}
