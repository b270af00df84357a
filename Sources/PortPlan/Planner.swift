import SerialLine

/// From configuration and announcements to the ports that are to run: names checked, owners kept, numbers given,
/// refusals explained.
///
/// By topic: `+Claims` (which announcements count), `+Ownership` (which host has a name), `+Orders` (a person's words).
package struct Planner: Sendable {
    /// Refusals remembered, so that each is logged once; further ones are only counted.
    static let mostRefusals = 256
    /// More ports that the configuration allows no longer are not listed: they end when the network has been heard out.
    static let mostDenied = 4096

    package private(set) var configuration: Configuration
    /// Tells whether a device that is not ours has a number of the ports' major.
    private let isTaken: @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    package internal(set) var minors: MinorTable
    var announcements: [Announcement] = []
    var networks = NetworkView()
    /// Names that are announced, or run: bounded by what discovery lists, and by what ran at the start.
    var ports: [DeviceName: AnnouncedPort] = [:]
    var book = TrustBook()
    var admission = Admission()
    /// When a new name that has to wait may be let in.
    var nextAdmission: MonotonicTime?
    var isComplete = false
    /// Known names by what DNS compares; nil when the list is out of date.
    var spellings: [String: DeviceName]?
    /// Names that have numbers, by the same; made anew when their count has changed.
    var numberedSpellings: [String: DeviceName] = [:]
    private var refused: Set<String> = []
    var saidContests: Set<String> = []
    private var saidTooMany = false

    /// Unix time in seconds, for "first seen". The supervisor sets it.
    package var unixTime: UInt64 = 0
    /// The ports that are to run, by name.
    package private(set) var wanted: [PortSpec] = []
    /// Ports that the configuration allows no longer: they end even while the network has not been heard out.
    package var denied: Set<DeviceName> { Set(deniedPorts.keys) }
    private var deniedPorts: [DeviceName: AnnouncedPort] = [:]
    /// Who announces a name that is another host's.
    package internal(set) var contested: [Contest] = []
    /// Log lines not yet logged; whoever does empties it.
    package var notes: [String] = []

    package init(
        _ configuration: Configuration, minors: MinorTable,
        isTaken: @escaping @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    ) {
        self.configuration = configuration
        self.minors = minors
        self.isTaken = isTaken
    }

    /// May what is missing among `wanted` still turn up?
    package var isProvisional: Bool { !configuration.types.isEmpty && !isComplete }

    /// The names that are remembered; whoever keeps files stores them from start to start.
    package var remembered: [DeviceName: RememberedPort] { book.records }

    /// Names that belong to a host, remembered or not yet.
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

    /// Ports whose connections decide something: the supervisor calls `observe` for them.
    package var watched: Set<DeviceName> { Set(ports.filter { $0.value.isWatched }.keys) }

    /// Is it the name of a port that is configured, remembered or there, in any spelling that is one to DNS?
    package mutating func knows(_ name: String) -> Bool { known(name) != nil }

    /// A name was remembered before the start.
    package mutating func remember(_ name: DeviceName, _ record: RememberedPort) {
        _ = book.insert(name, record, isInUse: { _ in false })
        spellings = nil
    }

    /// A port of ours was found running that this planner has not started: it counts as announced until the grace is
    /// over. Its servers are in use, whatever was announced before it was found.
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

    /// The file was read anew: everything is judged anew.
    package mutating func configure(_ configuration: Configuration, _ now: MonotonicTime) {
        self.configuration = configuration
        refused = []
        saidContests = []
        saidTooMany = false
        spellings = nil
        // Those that the last configuration did not allow may come back.
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

    /// This machine's addresses are these now.
    package mutating func setNetworks(_ networks: NetworkView, _ now: MonotonicTime) {
        guard networks != self.networks else { return }
        self.networks = networks
        judge(now)
    }

    /// What is announced now, whole.
    /// - Parameter isComplete: the network has been heard out; else more may come.
    package mutating func update(_ announcements: [Announcement], isComplete: Bool, _ now: MonotonicTime) {
        // Where two services would make one device, the type named first in the configuration has it.
        let ranks = Dictionary(
            configuration.types.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        self.announcements = announcements.sorted {
            (ranks[$0.type] ?? .max, $0.name, $0.domain) < (ranks[$1.type] ?? .max, $1.name, $1.domain)
        }
        self.isComplete = isComplete
        judge(now)
    }

    /// A port reports how its connection stands; one that has ended is idle. `advance` does what follows from it.
    package mutating func observe(_ name: DeviceName, _ health: PortHealth, _ now: MonotonicTime) {
        guard let port = ports[name], port.health != health else { return }
        ports[name]?.observe(health, now)
    }

    /// Time has passed.
    package mutating func advance(_ now: MonotonicTime) {
        if dropGone(now) || nextAdmission.map({ $0 <= now }) ?? false { judge(now) } else { plan(now) }
    }

    /// When `advance` is to be called next; nil for no time.
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

    /// A port's number turned out to belong to somebody else: it gets another one.
    package mutating func renumber(_ name: DeviceName, _ now: MonotonicTime) {
        minors.forget(name)
        plan(now)
    }

    /// All that is announced is judged, then planned.
    mutating func judge(_ now: MonotonicTime) {
        let claims = claims()
        takeClaims(claims, now)
        // Whoever else announces a name that has become free gets its turn.
        if dropGone(now) { takeClaims(claims, now) }
        plan(now)
    }

    /// Drops what has been missing for the grace period.
    /// - Returns: was there any?
    private mutating func dropGone(_ now: MonotonicTime) -> Bool {
        guard isComplete else { return false }
        let gone = ports.filter { $0.value.isGone(grace: configuration.grace, now) }.keys
        for name in gone { ports[name] = nil }
        if !gone.isEmpty { spellings = nil }
        return !gone.isEmpty
    }

    // Who gets a device.

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
        // Configured ports come first, then ports that have a device, then remembered ones, then strangers.
        let order = places.keys.map { name in
            let rank = configured[name] != nil ? 0 : isInUse.contains(name) ? 1 : book[name] != nil ? 2 : 3
            return (rank, name.description, name)
        }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        for (_, _, name) in order {
            guard specs.count < configuration.maxPorts else {
                if !saidTooMany {
                    notes.append(
                        "\(places.count) ports, and no more than \(configuration.maxPorts) are made (max-ports)")
                }
                saidTooMany = true
                break
            }
            // A number is kept for whoever runs and for whoever runs after this plan.
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

    /// The ports whose servers the configuration gives.
    var configuredServers: [DeviceName: [Endpoint]] {
        var configured: [DeviceName: [Endpoint]] = [:]
        for section in configuration.sections where !section.servers.isEmpty {
            guard let name = try? DeviceName(port: section.pattern.description) else { continue }
            configured[name] = section.servers
        }
        return configured
    }

    /// The number of a port. Names that are not remembered make way first, then the newest of those that are.
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

    /// Says once why a name gets no port.
    mutating func refuse(_ what: String, _ why: @autoclosure () -> String) {
        guard refused.count <= Self.mostRefusals, refused.insert(what).inserted else { return }
        notes.append(
            refused.count <= Self.mostRefusals ? why() : "more names are refused, and no more of them are listed here")
    }
}
