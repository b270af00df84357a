import SerialLine

/// From configuration and announcements to the ports that are to run: names checked, numbers given, refusals explained.
package struct Planner: Sendable {
    /// Refusals remembered, so that each is logged once; further ones are only counted.
    static let mostRefusals = 256

    package private(set) var configuration: Configuration
    /// Tells whether a device that is not ours has a number of the ports' major.
    private let isTaken: @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    package private(set) var minors: MinorTable
    private var announcements: [Announcement] = []
    private var memory: AnnouncementMemory
    private var isComplete = false
    private var refused: Set<String> = []
    private var saidTooMany = false

    /// The ports that are to run, by name.
    package private(set) var wanted: [PortSpec] = []
    /// Log lines not yet logged; whoever does empties it.
    package var notes: [String] = []

    package init(
        _ configuration: Configuration, minors: MinorTable,
        isTaken: @escaping @Sendable (_ major: UInt32, _ minor: UInt32) -> Bool
    ) {
        self.configuration = configuration
        self.minors = minors
        self.isTaken = isTaken
        memory = AnnouncementMemory(grace: configuration.grace)
    }

    /// May what is missing among `wanted` still turn up?
    package var isProvisional: Bool { !configuration.types.isEmpty && !isComplete }

    /// A port of ours was found running that somebody else has started, before its announcement or after it.
    package mutating func remember(_ name: DeviceName, _ servers: [Endpoint], _ now: MonotonicTime) {
        memory.remember(name, servers, now)
        // An announced port is not missing.
        memory.update(accepted(announcements), isComplete: isComplete, now)
    }

    /// The file was read anew.
    package mutating func configure(_ configuration: Configuration, _ now: MonotonicTime) {
        self.configuration = configuration
        memory.grace = configuration.grace
        refused = []
        saidTooMany = false
        update(announcements, isComplete: isComplete, now)
    }

    /// What is announced now, whole.
    /// - Parameter isComplete: the network has been heard out; else more may come.
    package mutating func update(_ announcements: [Announcement], isComplete: Bool, _ now: MonotonicTime) {
        self.announcements = announcements
        self.isComplete = isComplete
        memory.update(accepted(announcements), isComplete: isComplete, now)
        plan(now)
    }

    /// Time has passed.
    package mutating func advance(_ now: MonotonicTime) { plan(now) }

    /// When `advance` is to be called next; nil for no time.
    package func nextDeadline(_ now: MonotonicTime) -> MonotonicTime? {
        memory.nextDeadline(isComplete: isComplete, now)
    }

    /// A port's number turned out to belong to somebody else: it gets another one.
    package mutating func renumber(_ name: DeviceName, _ now: MonotonicTime) {
        minors.forget(name)
        plan(now)
    }

    // Who gets a device.

    private mutating func accepted(_ announcements: [Announcement]) -> [DeviceName: [Endpoint]] {
        var accepted: [DeviceName: [Endpoint]] = [:]
        var sources: [DeviceName: Announcement] = [:]
        // Where two services would make one device, the type named first in the configuration has it.
        let ranks = Dictionary(
            configuration.types.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let ordered = announcements.sorted {
            (ranks[$0.type] ?? .max, $0.name, $0.domain) < (ranks[$1.type] ?? .max, $1.name, $1.domain)
        }
        for announcement in ordered where configuration.names.admits(announcement.name) {
            let name: DeviceName
            do throws(DeviceName.Illegal) { name = try DeviceName(port: announcement.name) } catch {
                refuse(announcement.name, "\(error)")
                continue
            }
            if let fault = announcement.fault {
                refuse(announcement.name, "'\(announcement.name)' (\(announcement.type)) is no port for us: \(fault)")
            } else if let other = sources[name] {
                refuse(
                    "\(announcement.type) \(announcement.domain) \(name)",
                    "'\(name.port)' of \(announcement.type) in \(announcement.domain) is left out: there is one of "
                        + "\(other.type) in \(other.domain) already")
            } else {
                sources[name] = announcement
                accepted[name] = announcement.endpoints
            }
        }
        return accepted
    }

    private mutating func plan(_ now: MonotonicTime) {
        memory.advance(isComplete: isComplete, now)
        let isInUse = Set(wanted.map(\.name))
        for section in configuration.sections {
            guard let minor = section.minor, let name = try? DeviceName(port: section.pattern.description) else {
                continue
            }
            minors.fix(minor, for: name)
        }
        var ports = memory.endpoints(now)
        var configured: Set<DeviceName> = []
        for section in configuration.sections where !section.servers.isEmpty {
            guard let name = try? DeviceName(port: section.pattern.description) else { continue }
            ports[name] = section.servers
            configured.insert(name)
        }
        var specs: [PortSpec] = []
        // Who has a device keeps it; after them, in the order of names.
        let order = ports.keys.sorted {
            (isInUse.contains($0) ? 0 : 1, $0.description) < (isInUse.contains($1) ? 0 : 1, $1.description)
        }
        for name in order {
            guard specs.count < configuration.maxPorts else {
                if !saidTooMany {
                    notes.append(
                        "\(ports.count) ports, and no more than \(configuration.maxPorts) are made (max-ports)")
                }
                saidTooMany = true
                break
            }
            guard let servers = ports[name], let minor = minor(of: name, isInUse) else { continue }
            specs.append(
                PortSpec(
                    name: name, servers: servers, origin: configured.contains(name) ? .configured : .announced,
                    major: configuration.major, minor: minor, options: configuration.options(of: name.port)))
        }
        wanted = specs.sorted { $0.name.description < $1.name.description }
    }

    private mutating func minor(of name: DeviceName, _ isInUse: Set<DeviceName>) -> UInt32? {
        let major = configuration.major
        let minor = minors.minor(
            for: name, isInUse: { isInUse.contains($0) }, isTaken: { major != 0 && isTaken(major, $0) })
        if minor == nil { refuse(name.description, "no minor number is left for \(name)") }
        return minor
    }

    /// Says once why a name gets no port.
    private mutating func refuse(_ what: String, _ why: String) {
        guard refused.count <= Self.mostRefusals, refused.insert(what).inserted else { return }
        notes.append(
            refused.count <= Self.mostRefusals ? why : "more names are refused, and no more of them are listed here")
    }
}
