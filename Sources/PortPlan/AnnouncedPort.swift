import SerialLine

/// One name that is announced, or was until a moment ago: the host that has it, and where its server is.
///
/// The addresses in use stay. Others of the same host wait as candidates until the port could not connect for the grace
/// period, or, while no program has it open, until the first address has not been announced for that long; then they are
/// tried behind the first one. The one that connects is in use from then on. An attacker who goes by the host's name can
/// thus have its own address tried if that of the host does not answer, and nothing else; a silent host that takes over
/// name and address is the port.
struct AnnouncedPort: Equatable, Sendable {
    /// Addresses in use, and as many candidates: both fit in one list of servers.
    static let mostInUse = [Endpoint].mostServers / 2
    /// Addresses of a new port, by several interfaces and protocols, come within this time, in nanoseconds.
    static let settling: UInt64 = .milliseconds(300)
    /// A name that has lived for this time is remembered, in nanoseconds.
    static let remembersAfter: UInt64 = .seconds(60)

    /// nil for a port that was found running, until somebody announces its address.
    var owner: HostName?
    /// Where its owner was heard.
    var interfaces: [String]
    /// In the order to try.
    private(set) var inUse: [Endpoint]
    private(set) var candidates: [Endpoint] = []
    /// Where its owner says that it is.
    private(set) var announced: [Endpoint] = []
    /// The candidates are tried, too.
    private(set) var isPromoted = false
    /// Addresses of a new port are all in use until it counts.
    let settles: Bool
    let countsFrom: MonotonicTime
    /// Since when it has been there, for `remembersAfter`.
    var livesSince: MonotonicTime
    /// A person has said that the next host may have the name. It is so until the name is remembered again.
    var isYielding = false
    let firstSeen: UInt64
    /// When it was first found missing; nil while it is announced.
    private(set) var missingSince: MonotonicTime?
    /// Addresses in use that are not announced any more, and since when.
    private var silent: [Endpoint: MonotonicTime] = [:]
    private(set) var health = PortHealth.idle
    /// How long it failed to connect since it was last connected, in nanoseconds; without the time since `failing`.
    private var failed: UInt64 = 0

    /// - Parameters:
    ///   - isKnown: its addresses have been in use before, and have settled.
    ///   - firstSeen: in seconds of Unix time.
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

    /// Its servers, in the order to try.
    var servers: [Endpoint] { isPromoted ? inUse.prefix(1) + candidates + inUse.dropFirst() : inUse }

    var isConnected: Bool { if case .connected = health { true } else { false } }

    /// The next decision depends on its connection: an address waits, or the announcement is missing.
    var isWatched: Bool { !candidates.isEmpty || !silent.isEmpty || missingSince != nil }

    /// Its owner announces these addresses now. If there are none, the owner is there, and the servers do not change.
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

    /// Its owner is not heard.
    mutating func miss(isComplete: Bool, _ now: MonotonicTime) {
        announced = []
        // Silence says nothing: the grace begins when the network can be heard again.
        missingSince = isComplete ? missingSince ?? now : nil
    }

    /// The port reports how its connection stands.
    mutating func observe(_ health: PortHealth, _ now: MonotonicTime) {
        if case .failing(let since) = self.health, health != self.health { failed += now.since(since) }
        self.health = health
        guard case .connected(let text) = health else { return }
        failed = 0
        // The one that is reached comes first from now on, before others that were tried for it.
        if let place = inUse.firstIndex(where: { $0.isReached(at: text) }) {
            inUse.insert(inUse.remove(at: place), at: 0)
        } else if isPromoted, let place = candidates.firstIndex(where: { $0.isReached(at: text) }) {
            inUse = Array(([candidates.remove(at: place)] + inUse).prefix(Self.mostInUse))
        }
        isPromoted = false
    }

    /// Does what time brings.
    /// - Parameters:
    ///   - grace: in nanoseconds.
    ///   - follows: an address that is not announced any more is given up for any other that is.
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

    /// Gives up addresses that are not announced any more.
    private mutating func follow(_ grace: UInt64, _ now: MonotonicTime) {
        for (place, endpoint) in inUse.enumerated() where !candidates.isEmpty {
            guard let since = silent[endpoint], now.since(since) >= grace, !isConnected(to: endpoint) else { continue }
            inUse[place] = candidates.removeFirst()
            silent[endpoint] = nil
        }
    }

    /// Has it been missing for the grace period? If it is connected, the server is there.
    func isGone(grace: UInt64, _ now: MonotonicTime) -> Bool {
        guard let missingSince, !isConnected else { return false }
        return now.since(missingSince) >= grace
    }

    /// When `advance`, `isGone` or counting says something new.
    func nextDeadline(grace: UInt64, _ now: MonotonicTime) -> MonotonicTime? {
        var times = [countsFrom]
        if let missingSince, !isConnected { times.append(missingSince + grace) }
        if !candidates.isEmpty, !isPromoted, case .failing = health, failedFor(now) < grace {
            times.append(now + (grace - failedFor(now)))
        }
        if isConnected || !candidates.isEmpty { times += silent.values.map { $0 + grace } }
        return times.filter { $0 > now }.min()
    }

    /// Gives up addresses in use that may not be used any longer.
    mutating func removeInUse(_ isRefused: (Endpoint) -> Bool) {
        inUse.removeAll(where: isRefused)
        candidates.removeAll(where: isRefused)
        silent = silent.filter { inUse.contains($0.key) }
    }

    /// No connection came about for the grace period. Of a port that is not open that is not known: its first address
    /// counts as failed when it is not announced any more, and is tried first all the same.
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
    /// Is `text` (`address:port`) this endpoint, whatever the zone?
    func isReached(at text: String) -> Bool {
        if text == description { return true }
        guard let other = try? Endpoint(parsing: text), other.port == port, let mine = IPAddress(host),
            let address = IPAddress(other.host)
        else { return false }
        return mine.withoutZone == address.withoutZone
    }
}
