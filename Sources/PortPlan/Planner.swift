import SerialLine

/// Decides, from the configuration and the announcements, which ports run: checks names, keeps owners, assigns
/// numbers, explains refusals.
///
/// By topic: `+Claims` (which announcements count), `+Ownership` (which host owns a name), `+Orders` (orders of the
/// user).
package struct Planner: Sendable {
    /// Most refusals remembered, so that each is logged once; further ones are only counted.
    static let mostRefusals = 256
    /// Most ports listed that the configuration no longer allows; further ones end when the listing of the network is
    /// complete.
    static let mostDenied = 4096

    package private(set) var configuration: Configuration
    /// Returns whether a device that is not ours has this number, under the ports' major number.
    private let isTaken: @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    package internal(set) var minors: MinorTable
    var announcements: [Announcement] = []
    var networks = NetworkView()
    /// Names that are announced, or running: limited by discovery, and by the ports that ran at the start.
    var ports: [DeviceName: AnnouncedPort] = [:]
    var book = TrustBook()
    var admission = Admission()
    /// When a new name that must wait may be admitted.
    var nextAdmission: MonotonicTime?
    var isComplete = false
    /// Known names by the form that DNS compares; nil if the list is outdated.
    var spellings: [String: DeviceName]?
    /// Names with numbers, by the same form; rebuilt when their count has changed.
    var numberedSpellings: [String: DeviceName] = [:]
    private var refused: Set<String> = []
    var saidContests: Set<String> = []
    private var saidTooMany = false

    /// Unix time in seconds, for "first seen". The supervisor sets it.
    package var unixTime: UInt64 = 0
    /// The ports that should run, by name.
    package private(set) var wanted: [PortSpec] = []
    /// Ports that the configuration no longer allows: they end even if the listing of the network is incomplete.
    package var denied: Set<DeviceName> { Set(deniedPorts.keys) }
    private var deniedPorts: [DeviceName: AnnouncedPort] = [:]
    /// Hosts that announce a name of another host.
    package internal(set) var contested: [Contest] = []
    /// Log lines not logged yet; the caller that logs them empties the list.
    package var notes: [String] = []

    package init(
        _ configuration: Configuration, minors: MinorTable,
        isTaken: @escaping @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    ) {
        self.configuration = configuration
        self.minors = minors
        self.isTaken = isTaken
    }

    /// Whether a port missing from `wanted` may still be announced.
    package var isProvisional: Bool { !configuration.types.isEmpty && !isComplete }

    /// The remembered names, to be stored over restarts.
    package var remembered: [DeviceName: RememberedPort] { book.records }

    /// Names that belong to a host, whether already remembered or not.
    package var owned: [DeviceName: RememberedPort] {
        var owned = book.records
        for (name, port) in ports {
            guard let owner = port.owner else { continue }
            owned[name] = RememberedPort(
                host: owner, interfaces: port.interfaces, subnets: owned[name]?.subnets ?? [], addresses: port.servers,
                firstSeen: port.firstSeen)
        }
        return owned
    }

    /// Ports whose connection state affects a decision: the supervisor calls `observe` for them.
    package var watched: Set<DeviceName> { Set(ports.filter { $0.value.isWatched }.keys) }

    /// Whether it is the name of a configured, remembered or existing port, in any spelling that DNS considers equal.
    package mutating func knows(_ name: String) -> Bool { known(name) != nil }

    /// A name was remembered from an earlier run.
    package mutating func remember(_ name: DeviceName, _ record: RememberedPort) {
        _ = book.insert(name, record, isInUse: { _ in false })
        spellings = nil
    }

    /// A port that this planner has not started was found running: it counts as announced until the grace period is
    /// over. Its servers are in use, and older announcements do not change them.
    package mutating func remember(_ name: DeviceName, _ servers: [Endpoint], _ now: MonotonicTime) {
        if let port = ports[name], port.owner != nil, port.servers.contains(where: servers.contains) { return }
        let record = book[name]
        var port = AnnouncedPort(
            owner: record?.host, interfaces: record?.interfaces ?? [], inUse: servers, isKnown: true,
            firstSeen: record?.firstSeen ?? unixTime, now)
        port.miss(isComplete: true, now)
        let before = port
        if isAllowed(name, &port) { ports[name] = port } else { deny(name, before) }
        spellings = nil
        judge(now)
    }

    /// The file was read again: everything is checked again.
    package mutating func configure(_ configuration: Configuration, _ now: MonotonicTime) {
        self.configuration = configuration
        refused = []
        saidContests = []
        saidTooMany = false
        spellings = nil
        // Ports that the last configuration did not allow may return.
        deniedPorts = deniedPorts.filter { name, port in
            var port = port
            return !isAllowed(name, &port)
        }
        for (name, before) in ports {
            var port = before
            let isAllowed = isAllowed(name, &port)
            ports[name] = isAllowed ? port : nil
            if !isAllowed { deny(name, before) }
        }
        judge(now)
    }

    private mutating func deny(_ name: DeviceName, _ port: AnnouncedPort) {
        if deniedPorts.count < Self.mostDenied { deniedPorts[name] = port }
    }

    /// Sets this machine's addresses.
    package mutating func setNetworks(_ networks: NetworkView, _ now: MonotonicTime) {
        guard networks != self.networks else { return }
        self.networks = networks
        judge(now)
    }

    /// Sets the complete list of current announcements.
    /// - Parameter isComplete: the listing of the network is complete; otherwise more may arrive.
    package mutating func update(_ announcements: [Announcement], isComplete: Bool, _ now: MonotonicTime) {
        // If two services would create the same device, the type that the configuration names first wins.
        let ranks = Dictionary(
            configuration.types.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        self.announcements = announcements.sorted {
            (ranks[$0.type] ?? .max, $0.name, $0.domain) < (ranks[$1.type] ?? .max, $1.name, $1.domain)
        }
        self.isComplete = isComplete
        judge(now)
    }

    /// A port reports the state of its connection; a port that has ended is idle. `advance` acts on it.
    package mutating func observe(_ name: DeviceName, _ health: PortHealth, _ now: MonotonicTime) {
        guard let port = ports[name], port.health != health else { return }
        ports[name]?.observe(health, now)
    }

    /// Time has passed.
    package mutating func advance(_ now: MonotonicTime) {
        if dropGone(now) || nextAdmission.map({ $0 <= now }) ?? false { judge(now) } else { plan(now) }
    }

    /// When `advance` must be called next; nil if there is no deadline.
    package func nextDeadline(_ now: MonotonicTime) -> MonotonicTime? {
        var next = nextAdmission
        for (name, port) in ports {
            if isComplete || port.missingSince == nil {
                next = sooner(next, port.nextDeadline(grace: configuration.grace, now))
            }
            let remembers = port.livesSince + AnnouncedPort.remembersAfter
            if remembers > now, port.owner != nil, port.missingSince == nil, book[name] == nil {
                next = sooner(next, remembers)
            }
        }
        return next
    }

    /// Another device has the port's number: the port gets a new one.
    package mutating func renumber(_ name: DeviceName, _ now: MonotonicTime) {
        minors.forget(name)
        plan(now)
    }

    /// Checks all announcements, and plans.
    mutating func judge(_ now: MonotonicTime) {
        let claims = claims()
        takeClaims(claims, now)
        // Other hosts that announce a freed name are considered now.
        if dropGone(now) { takeClaims(claims, now) }
        plan(now)
    }

    /// Drops names that have been missing for the grace period.
    /// - Returns: whether any was dropped.
    private mutating func dropGone(_ now: MonotonicTime) -> Bool {
        guard isComplete else { return false }
        let gone = ports.filter { $0.value.isGone(grace: configuration.grace, now) }.keys
        for name in gone { ports[name] = nil }
        if !gone.isEmpty { spellings = nil }
        return !gone.isEmpty
    }

    // Assigns devices.

    private mutating func plan(_ now: MonotonicTime) {
        for name in Array(ports.keys) {
            let trust = configuration.trust(of: name.port, on: ports[name]?.interfaces.first)
            ports[name]?.advance(grace: configuration.grace, follows: trust == .announced, now)
        }
        let isInUse = Set(wanted.map(\.name))
        for section in configuration.sections {
            guard let minor = section.minor, let name = try? DeviceName(port: section.pattern.description) else {
                continue
            }
            minors.fix(minor, for: name)
        }
        var places = ports.filter { $0.value.countsFrom <= now && !$0.value.servers.isEmpty }.mapValues(\.servers)
        let configured = configuredServers
        places.merge(configured) { $1 }
        var specs: [PortSpec] = []
        // Configured ports come first, then ports with a device, then remembered ones, then strangers.
        let order = places.keys.map { name in
            let rank = configured[name] != nil ? 0 : isInUse.contains(name) ? 1 : book[name] != nil ? 2 : 3
            return (rank, name.description, name)
        }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        for (_, _, name) in order {
            guard specs.count < configuration.maxPorts else {
                if !saidTooMany {
                    notes.append(
                        "\(places.count) ports wanted, but the limit is \(configuration.maxPorts) (max-ports)")
                }
                saidTooMany = true
                break
            }
            // A number is kept for ports that run, and for those that will run after this plan.
            guard let servers = places[name], let minor = minor(of: name, { isInUse.contains($0) || places[$0] != nil })
            else { continue }
            specs.append(
                PortSpec(
                    name: name, servers: servers, origin: configured[name] != nil ? .configured : .announced,
                    major: configuration.major, minor: minor, options: configuration.options(of: name.port)))
        }
        wanted = specs.sorted { $0.name.description < $1.name.description }
        for spec in specs { deniedPorts[spec.name] = nil }
        rememberPorts(now)
    }

    /// The ports with configured servers.
    var configuredServers: [DeviceName: [Endpoint]] {
        var configured: [DeviceName: [Endpoint]] = [:]
        for section in configuration.sections where !section.servers.isEmpty {
            guard let name = try? DeviceName(port: section.pattern.description) else { continue }
            configured[name] = section.servers
        }
        return configured
    }

    /// The number of a port. If there are too many names, those that are not remembered are forgotten first, then the
    /// newest remembered ones.
    private mutating func minor(of name: DeviceName, _ isInUse: (DeviceName) -> Bool) -> UInt32? {
        let major = configuration.major
        let isTaken = { [isTaken] number in major != 0 && isTaken(major, number) }
        let minor = minors.minor(for: name, isInUse: { [book] in isInUse($0) || book[$0] != nil }, isTaken: isTaken)
        if let minor { return minor }
        if let newest = book.newest(besides: { [minors] in isInUse($0) || minors[$0] == nil }) {
            minors.forget(newest)
            if let minor = minors.minor(for: name, isInUse: isInUse, isTaken: isTaken) { return minor }
        }
        refuse(name.description, "no minor number is left for \(name)")
        return nil
    }

    /// Logs once why a name gets no port.
    mutating func refuse(_ what: String, _ why: @autoclosure () -> String) {
        guard refused.count <= Self.mostRefusals, refused.insert(what).inserted else { return }
        notes.append(
            refused.count <= Self.mostRefusals ? why() : "more names are refused; further ones are not logged")
    }
}
