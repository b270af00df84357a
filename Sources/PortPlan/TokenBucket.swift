import SerialLine

/// Lets `burst` pass at once, and from then on one in each `interval`.
struct TokenBucket: Equatable, Sendable {
    let burst: Int
    /// Between two tokens, in nanoseconds.
    let interval: UInt64
    private var tokens: Int
    /// Since when the next token grows.
    private var growsSince: MonotonicTime

    init(burst: Int, interval: UInt64, _ now: MonotonicTime) {
        self.burst = burst
        self.interval = interval
        tokens = burst
        growsSince = now
    }

    /// How many may pass now.
    mutating func available(_ now: MonotonicTime) -> Int {
        let grown = now.since(growsSince) / interval
        if grown >= UInt64(burst - tokens) {
            tokens = burst
            growsSince = now
        } else {
            tokens += Int(grown)
            growsSince = growsSince + grown * interval
        }
        return tokens
    }

    /// One passes; there has to be a token.
    mutating func take() { tokens -= 1 }

    /// When there is a token next.
    var nextToken: MonotonicTime { tokens > 0 ? growsSince : growsSince + interval }
}

/// Limits new names, of each host and of each interface: a host may call itself anything.
struct Admission: Sendable {
    static let hostBurst = 64
    static let hostInterval: UInt64 = .seconds(10)
    static let interfaceBurst = 256
    static let interfaceInterval: UInt64 = .seconds(2)
    /// More hosts, or interfaces, share one bucket.
    static let mostBuckets = 1024

    private var hosts: [HostName?: TokenBucket] = [:]
    private var interfaces: [String?: TokenBucket] = [:]

    /// How many more names of a host could pass now, were it for the host alone.
    mutating func share(of host: HostName, _ now: MonotonicTime) -> Int {
        guard var bucket = hosts[host] else { return hosts.count < Self.mostBuckets ? Self.hostBurst : 0 }
        return bucket.available(now)
    }

    /// Takes a place for a new name.
    /// - Returns: nil if it is let in; otherwise the time of the next try.
    mutating func admit(_ host: HostName, on interface: String, _ now: MonotonicTime) -> MonotonicTime? {
        // The key is nil for all who have no bucket of their own.
        let host = Self.key(host, &hosts, now)
        let interface = Self.key(interface, &interfaces, now)
        var own = hosts[host] ?? TokenBucket(burst: Self.hostBurst, interval: Self.hostInterval, now)
        var shared =
            interfaces[interface] ?? TokenBucket(burst: Self.interfaceBurst, interval: Self.interfaceInterval, now)
        let passes = own.available(now) > 0 && shared.available(now) > 0
        let retry = max(own.nextToken, shared.nextToken)
        if passes {
            own.take()
            shared.take()
        }
        hosts[host] = own
        interfaces[interface] = shared
        return passes ? nil : retry
    }

    private static func key<Key>(
        _ key: Key, _ buckets: inout [Key?: TokenBucket], _ now: MonotonicTime
    ) -> Key? {
        if buckets[key] != nil || buckets.count < mostBuckets { return key }
        // A full bucket is as good as none.
        buckets = buckets.filter { entry in
            var bucket = entry.value
            return bucket.available(now) < bucket.burst
        }
        return buckets.count < mostBuckets ? key : nil
    }
}
