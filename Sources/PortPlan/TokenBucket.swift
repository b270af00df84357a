import SerialLine

/// Lets `burst` pass at once, and after that one in each `interval`.
struct TokenBucket: Equatable, Sendable {
    let burst: Int
    /// Time between two tokens, in nanoseconds.
    let interval: UInt64
    private var tokens: Int
    /// The moment at which the next token began to accumulate.
    private var growsSince: MonotonicTime

    init(burst: Int, interval: UInt64, _ now: MonotonicTime) {
        self.burst = burst
        self.interval = interval
        tokens = burst
        growsSince = now
    }

    /// Number of tokens available.
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

    /// Takes a token; there must be one.
    mutating func take() { tokens -= 1 }

    /// When the next token is available.
    var nextToken: MonotonicTime { tokens > 0 ? growsSince : growsSince + interval }
}

/// Limits new names per host and per interface, because a host may use any name.
struct Admission: Sendable {
    static let hostBurst = 64
    static let hostInterval: UInt64 = .seconds(10)
    static let interfaceBurst = 256
    static let interfaceInterval: UInt64 = .seconds(2)
    /// Further hosts, or interfaces, share one bucket.
    static let mostBuckets = 1024

    private var hosts: [HostName?: TokenBucket] = [:]
    private var interfaces: [String?: TokenBucket] = [:]

    /// How many more names of a host could pass now, by the host's bucket alone.
    mutating func share(of host: HostName, _ now: MonotonicTime) -> Int {
        guard var bucket = hosts[host] else { return hosts.count < Self.mostBuckets ? Self.hostBurst : 0 }
        return bucket.available(now)
    }

    /// Admits a new name.
    /// - Returns: nil if it is admitted; otherwise the time of the next try.
    mutating func admit(_ host: HostName, on interface: String, _ now: MonotonicTime) -> MonotonicTime? {
        // The key is nil for all hosts without a bucket of their own.
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
        // A full bucket has no effect, so it is removed.
        buckets = buckets.filter { entry in
            var bucket = entry.value
            return bucket.available(now) < bucket.burst
        }
        return buckets.count < mostBuckets ? key : nil
    }
}
