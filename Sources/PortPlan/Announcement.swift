import SerialLine

/// A COM port as it is announced on the network. All of it is hostile.
package struct Announcement: Equatable, Sendable {
    /// The instance's name.
    package let name: String
    /// `_ttynvt._tcp`
    package let type: String
    package let domain: String
    /// Where it is, in the order to try; empty while no address is known.
    package let endpoints: [Endpoint]
    /// Entries of the TXT record, where they are there.
    package let security: String?
    package let functionClass: String?
    package let gensioStack: String?

    package init(
        name: String, type: String, domain: String, endpoints: [Endpoint], security: String? = nil,
        functionClass: String? = nil, gensioStack: String? = nil
    ) {
        self.name = name
        self.type = type
        self.domain = domain
        self.endpoints = endpoints
        self.security = security
        self.functionClass = functionClass
        self.gensioStack = gensioStack
    }

    /// What it says of itself that makes it no port for us.
    package var fault: String? {
        if let security, security != "no" { return "it asks for security '\(security)', which RFC 2217 has not" }
        if let functionClass, functionClass != "ttynvt" {
            return "its function class is '\(functionClass)', not ttynvt"
        }
        if let gensioStack, !gensioStack.contains("rfc2217") { return "it speaks '\(gensioStack)', not RFC 2217" }
        return nil
    }
}

/// What has been announced, and what of it counts: a port whose announcement vanishes is kept for a grace period, and
/// for as long as the network cannot be heard; a new one counts when its addresses have had time to come in.
struct AnnouncementMemory: Sendable {
    /// Addresses of one port, by several interfaces and protocols, come within this time, in nanoseconds.
    static let settling: UInt64 = .milliseconds(300)

    private struct Entry: Sendable {
        var endpoints: [Endpoint]
        let countsFrom: MonotonicTime
        /// When it was first found missing; nil while it is announced.
        var missingSince: MonotonicTime?
    }

    private var entries: [DeviceName: Entry] = [:]
    /// In nanoseconds.
    var grace: UInt64

    init(grace: UInt64) { self.grace = grace }

    /// The ports that count, and where they are.
    func endpoints(_ now: MonotonicTime) -> [DeviceName: [Endpoint]] {
        entries.filter { $0.value.countsFrom <= now }.mapValues(\.endpoints)
    }

    /// A port runs since before anything was announced: it counts as announced until the grace is over.
    mutating func remember(_ name: DeviceName, _ endpoints: [Endpoint], _ now: MonotonicTime) {
        entries[name] = Entry(endpoints: endpoints, countsFrom: now, missingSince: now)
    }

    /// What is announced now.
    /// - Parameter isComplete: what is not among it is not announced; else it may only not have been heard yet.
    mutating func update(_ announced: [DeviceName: [Endpoint]], isComplete: Bool, _ now: MonotonicTime) {
        for (name, endpoints) in announced {
            // Without an address it is there, and stays where it was.
            if !endpoints.isEmpty {
                let countsFrom = entries[name]?.countsFrom ?? now + Self.settling
                entries[name] = Entry(endpoints: endpoints, countsFrom: countsFrom)
            } else if entries[name] != nil {
                entries[name]?.missingSince = nil
            }
        }
        for (name, entry) in entries where announced[name] == nil {
            // Silence says nothing: the grace begins when the network can be heard again.
            entries[name]?.missingSince = isComplete ? entry.missingSince ?? now : nil
        }
    }

    /// Forgets what has been missing for the grace period.
    mutating func advance(isComplete: Bool, _ now: MonotonicTime) {
        guard isComplete else { return }
        entries = entries.filter { $0.value.missingSince.map { now.since($0) < grace } ?? true }
    }

    /// When the next one begins to count, or is forgotten.
    func nextDeadline(isComplete: Bool, _ now: MonotonicTime) -> MonotonicTime? {
        entries.values.flatMap { entry in
            [
                entry.countsFrom > now ? entry.countsFrom : nil,
                isComplete ? entry.missingSince.map { $0 + grace } : nil,
            ].compactMap(\.self)
        }.min()
    }
}
