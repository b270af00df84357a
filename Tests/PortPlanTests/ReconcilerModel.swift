import PortPlan
import SerialLine
import TestSupport

/// A small world around planner and reconciler: announcements that come and go, processes that crash, programs that
/// open ports, a network that is sometimes silent, and supervisors that are replaced. The supervisor learns of events
/// late, and its orders take effect late.
///
/// Each honest port has a host of its own. Others announce, too: the same names from other hosts, other addresses under
/// the honest host's name, addresses that no network of ours has, goodbyes, many names, TXT records, other spellings.
struct ReconcilerModel {
    /// One port's process.
    struct Process: Equatable {
        var running: RunningPort
        var openers = 0
        /// Tells one process of a port from the next.
        let serial: Int
    }

    private enum Event {
        case done(Step)
        case failed(Step)
        case ended(DeviceName)
    }

    var random: SplitMix64
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    private var configuration = Configuration()
    private var announced: [String: [Endpoint]] = [:]
    /// Since when an announcement has been there, and admitted: it counts when it has settled.
    private var announcedSince: [String: MonotonicTime] = [:]
    private var heard = false
    private var processes: [DeviceName: Process] = [:]
    private var serial = 0
    /// What attackers announce, by name and host.
    private var hostile: [String: [String: [Endpoint]]] = [:]
    /// Addresses that attackers announce under an honest host's name; instead of its own, where `replaces`.
    private var spoofed: [String: (address: Endpoint, replaces: Bool)] = [:]
    /// Names that attackers say of that they ask for security.
    private var secured: Set<String> = []
    private var flooded = 0
    /// The moment since which an honest port is unreachable at its known address.
    private var failingSince: [DeviceName: MonotonicTime] = [:]
    /// Ports that were there before: their names are remembered as their honest hosts'.
    private var protected: Set<DeviceName> = []
    /// Names that others announced, or announced other addresses of, before they were protected.
    private var attacked: Set<String> = []
    private var tainted: Set<String> = []
    /// All programs hold their ports open: each port tries to connect.
    private var allTry = false
    private var planner: Planner
    private var reconciler = Reconciler()
    /// On their way to the supervisor.
    private var events: [Event] = []
    private var orders: [Step] = []
    /// Violated invariants; empty if there are no violations.
    private(set) var faults: [String] = []
    private var storedMinors = MinorTable()
    private var firstMinors: [DeviceName: UInt32] = [:]

    private static let names = ["a", "b", "c-1", "d.x", "e_y"]
    private static let hostile = ["../x", "S0", "x y", "", "a/b", "\u{1B}[2J"]

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        configuration.grace = .seconds(5)
        planner = Planner(configuration, minors: MinorTable(), isTaken: { _, _ in false })
        planner.setNetworks(.lab, now)
    }

    /// Is it an address of a host of the attackers', or of none on our network?
    private func isEvil(_ endpoint: Endpoint) -> Bool {
        !endpoint.host.hasPrefix("192.0.2.") || (60...69).contains(number(endpoint))
    }

    /// Is it an address that attackers announce under an honest host's name?
    private func isSpoof(_ endpoint: Endpoint?) -> Bool { endpoint.map { (70...79).contains(number($0)) } ?? false }

    private func number(_ endpoint: Endpoint) -> Int {
        endpoint.host.split(separator: ".").last.flatMap { Int($0) } ?? 0
    }
    private func host(_ name: String) -> String { "module-\(name).local" }

    private func endpoint(_ number: Int) -> Endpoint { Endpoint(host: "192.0.2.\(number)", port: 10000) }

    // The world's turns.

    /// Some ports are there before anything happens, long enough to be remembered.
    mutating func begin() {
        guard random.below(3) > 0 else { return }
        for name in Self.names where random.below(3) > 0 { announced[name] = [endpoint(random.below(3) + 1)] }
        hear(whole: true)
        pass(.seconds(1))
        for _ in 0..<30 { work() }
        pass(.seconds(70))
    }

    /// Ports that were there before what others announced.
    var protectedCount: Int { protected.count }

    mutating func turn() {
        switch random.below(26) {
        case 0, 1, 2:
            announced[random.pick(Self.names)] = [endpoint(random.below(3) + 1)]
            hear()
        case 3, 4:
            announced[random.pick(Self.names)] = nil
            hear()
        case 5:
            announced[random.pick(Self.hostile)] = [endpoint(9)]
            hear()
        case 6:
            announced[random.pick(Self.names)] = []
            hear()
        case 7: loseHearing()
        case 8: hear(whole: true)
        case 9, 10: open()
        case 11, 12: close()
        case 13: crash()
        case 14: replaceSupervisor()
        case 15: reconfigure()
        case 20, 21: attack()
        case 22: goodbye()
        case 16: pass(.seconds(UInt64(random.below(8) == 0 ? 70 : random.below(10))))
        default: work()
        }
    }

    private var announcements: [Announcement] {
        var claims: [String: [Announcement.Claim]] = [:]
        // The attacker's come first.
        for (name, hosts) in hostile.sorted(by: { $0.key < $1.key }) {
            for (host, endpoints) in hosts.sorted(by: { $0.key < $1.key }) {
                claims[name, default: []].append(
                    Announcement.Claim(host: host, interface: "eth0", endpoints: endpoints))
            }
        }
        for (name, endpoints) in announced {
            let spoof = spoofed[name].flatMap { endpoints.isEmpty ? nil : $0 }
            let heard = spoof.map { $0.replaces ? [$0.address] : [$0.address] + endpoints } ?? endpoints
            claims[name, default: []].append(
                Announcement.Claim(
                    host: endpoints.isEmpty ? "" : host(name), interface: "eth0", endpoints: heard,
                    security: secured.contains(name) ? "yes" : nil))
        }
        return claims.sorted { $0.key < $1.key }.map {
            Announcement(name: $0, type: "_ttynvt._tcp", domain: "local", claims: $1)
        }
    }

    /// Somebody announces something that is not so.
    private mutating func attack() {
        let name = random.pick(Self.names)
        let address = endpoint(60 + random.below(10))
        switch random.below(9) {
        case 0: hostile[name, default: [:]]["evil-\(random.below(3)).local"] = [address]
        case 1: hostile[name.uppercased(), default: [:]]["evil.local"] = [address]
        case 2:
            hostile[name, default: [:]]["evil.local"] = [
                Endpoint(host: random.pick(["127.0.0.1", "8.8.8.8"]), port: 22)
            ]
        case 3: spoofed[name] = (endpoint(70 + random.below(10)), random.below(2) == 0)
        case 4:
            spoofed[name] = (
                Endpoint(host: random.pick(["127.0.0.1", "8.8.8.8", "0.0.0.0"]), port: 22), random.below(2) == 0
            )
        case 5: secured.formSymmetricDifference([name])
        case 6:
            for _ in 0..<(5 + random.below(20)) {
                flooded += 1
                hostile["0-flood-\(flooded)", default: [:]]["evil-\(random.below(100)).local"] = [address]
            }
        case 7: hostile = hostile.filter { _ in random.below(2) == 0 }
        default: spoofed[name] = nil
        }
        attacked.formUnion(hostile.keys.map { $0.lowercased() })
        for name in spoofed.keys where (try? DeviceName(port: name)).map({ !protected.contains($0) }) ?? false {
            tainted.insert(name)
        }
        hear()
    }

    /// A goodbye that is not the host's own, which announces the port again within a second.
    private mutating func goodbye() {
        guard heard else { return }
        let name = random.pick(Self.names)
        planner.update(announcements.filter { $0.name != name }, isComplete: true, now)
        plan()
        pass(.milliseconds(UInt64(random.below(1000))))
        hear()
    }

    private mutating func hear(whole: Bool = false) {
        if whole { heard = true }
        guard heard else { return }
        for name in announced.keys where announcedSince[name] == nil { announcedSince[name] = now }
        announcedSince = announcedSince.filter { announced[$0.key] != nil }
        planner.update(announcements, isComplete: true, now)
        plan()
    }

    /// Avahi has ended, or lists anew: only some of the announcements are received.
    private mutating func loseHearing() {
        heard = false
        planner.update(announcements.filter { _ in random.below(2) == 0 }, isComplete: false, now)
        plan()
    }

    private mutating func open() {
        guard let name = processes.keys.sorted(by: { $0.description < $1.description }).randomOne(&random) else {
            return
        }
        processes[name]?.openers += 1
    }

    private mutating func close() {
        let open = processes.filter { $0.value.openers > 0 }.keys.sorted { $0.description < $1.description }
        guard let name = open.randomOne(&random) else { return }
        processes[name]?.openers -= 1
        endIfRetired(name)
    }

    private mutating func endIfRetired(_ name: DeviceName) {
        guard let process = processes[name], process.running.isRetiring, process.openers == 0 else { return }
        processes[name] = nil
        events.append(.ended(name))
    }

    private mutating func crash() {
        guard let name = processes.keys.sorted(by: { $0.description < $1.description }).randomOne(&random) else {
            return
        }
        processes[name] = nil
        events.append(.ended(name))
    }

    private mutating func reconfigure() {
        configuration.options = [PortOption(key: "connect", value: random.pick(["open", "always"]))]
        configuration.names.deny = random.below(3) == 0 ? [Pattern("b")] : []
        configuration.maxPorts = random.pick([0, 3, 1024])
        let text = random.below(2) == 0 ? "[port static]\nserver = 192.0.2.8:1\n[port a]\nserver = 192.0.2.7:1\n" : ""
        configuration.sections = ConfigurationParser.parse(text, checkOption: { _, _ in nil }).configuration.sections
        announcedSince = [:]
        planner.configure(configuration, now)
        plan()
    }

    /// A new supervisor knows what is stored and what runs, and nothing else.
    private mutating func replaceSupervisor() {
        storedMinors = planner.minors
        let remembered = planner.remembered
        let before = processes
        planner = Planner(configuration, minors: storedMinors, isTaken: { _, _ in false })
        reconciler = Reconciler()
        events = []
        orders = []
        heard = false
        planner.setNetworks(.lab, now)
        for (name, record) in remembered { planner.remember(name, record) }
        for (name, process) in processes {
            if PortSpec.Origin(options: process.running.options) == .announced {
                planner.remember(name, process.running.servers, now)
            }
            reconciler.found(name, process.running, now)
        }
        planner.update([], isComplete: false, now)
        plan()
        if before != processes { faults.append("replacing the supervisor touched a port") }
    }

    private mutating func pass(_ time: UInt64) {
        now = now + time
        planner.advance(now)
        plan()
    }

    private mutating func plan() {
        planner.notes = []
        reportHealth()
        planner.advance(now)
        reconciler.want(planner.wanted, denied: planner.denied, isProvisional: planner.isProvisional)
        checkOwners()
        for spec in planner.wanted { checkSpec(spec) }
        takeSteps()
    }

    /// The true address of a name's port; nil if there is no such port.
    private func place(_ name: String) -> Endpoint? { announced[name]?.first }

    /// Each process says how its connection stands. The network in between fails at times.
    private mutating func reportHealth() {
        for spec in planner.wanted {
            guard let process = processes[spec.name], process.openers > 0 || allTry else {
                failingSince[spec.name] = nil
                planner.observe(spec.name, .idle, now)
                continue
            }
            if let place = place(spec.name.port), process.running.servers.contains(place), allTry || random.below(4) > 0
            {
                failingSince[spec.name] = nil
                planner.observe(spec.name, .connected(to: place.description), now)
            } else {
                let since = failingSince[spec.name] ?? now
                failingSince[spec.name] = since
                planner.observe(spec.name, .failing(since: since), now)
            }
        }
    }

    /// A name that was its honest host's stays its.
    private mutating func checkOwners() {
        for name in Self.names {
            guard let device = try? DeviceName(port: name) else { continue }
            let owner = planner.remembered[device]?.host
            if owner == HostName(host(name)) {
                protected.insert(device)
            } else if protected.contains(device) {
                faults.append("\(name) belongs to \(owner?.description ?? "nobody") and not to \(host(name))")
            }
        }
    }

    private mutating func takeSteps() {
        let steps = reconciler.steps(now)
        orders += steps
        // If there is room for all, an announced port, and one that runs as configured, is not retired.
        for case .retire(let name) in steps where configuration.maxPorts > Self.names.count {
            guard protected.contains(name), let since = announcedSince[name.port], now.since(since) >= .seconds(1),
                announced[name.port]?.isEmpty == false, configuration.names.admits(name.port),
                let process = processes[name], PortSpec.Origin(options: process.running.options) == .announced,
                planner.wanted.first(where: { $0.name == name }).map({ $0.options == process.running.options }) ?? true
            else { continue }
            faults.append("\(name) was retired while it was announced")
        }
    }

    private mutating func checkSpec(_ spec: PortSpec) {
        if let first = firstMinors[spec.name] {
            if planner.minors[spec.name] != first { faults.append("\(spec.name) changed its minor") }
        } else {
            firstMinors[spec.name] = planner.minors[spec.name]
        }
        if !spec.arguments.allSatisfy({ $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }) {
            faults.append("an argument that needs quoting: \(spec.arguments)")
        }
        let isStatic = configuration.sections.contains { $0.pattern.description == spec.name.port }
        if isStatic || protected.contains(spec.name), spec.servers.contains(where: isEvil) {
            faults.append("\(spec.name) was taken to \(spec.servers)")
        }
        if isStatic || protected.contains(spec.name) && !tainted.contains(spec.name.port), isSpoof(spec.servers.first) {
            faults.append("\(spec.name) was moved to \(spec.servers)")
        }
        if spec.servers.isEmpty { faults.append("\(spec.name) has no server") }
    }

    /// Something that was ordered happens, or something that happened is heard of.
    private mutating func work() {
        if !orders.isEmpty && (events.isEmpty || random.below(2) == 0) {
            carryOut(orders.remove(at: random.below(orders.count)))
        } else if !events.isEmpty {
            hearOf(events.removeFirst())
        }
        takeSteps()
    }

    private mutating func carryOut(_ step: Step) {
        if random.below(8) == 0 { return events.append(.failed(step)) }
        switch step {
        case .start(let spec):
            guard processes[spec.name] == nil else { return faults.append("\(spec.name) was started twice") }
            serial += 1
            let running = RunningPort(servers: spec.servers, options: spec.options, isRetiring: false)
            processes[spec.name] = Process(running: running, serial: serial)
        case .setServers(let name, let servers):
            guard processes[name] != nil else { return events.append(.failed(step)) }
            processes[name]?.running.servers = servers
        case .retire(let name):
            guard processes[name] != nil else { return events.append(.failed(step)) }
            processes[name]?.running.isRetiring = true
            events.append(.done(step))
            return endIfRetired(name)
        case .keep(let name):
            guard processes[name] != nil else { return events.append(.failed(step)) }
            processes[name]?.running.isRetiring = false
        }
        events.append(.done(step))
    }

    private mutating func hearOf(_ event: Event) {
        switch event {
        case .done(let step): reconciler.done(step, now)
        case .failed(let step): reconciler.failed(step, now)
        case .ended(let name):
            // Orders to a process that is known to be gone do not reach the next one.
            orders.removeAll { if case .start = $0 { false } else { $0.name == name } }
            reconciler.ended(name, now)
        }
    }

    // The end.

    /// The world comes to rest: everything is heard, every program has closed, and time passes.
    /// - Returns: is what runs what is wanted?
    mutating func settle() -> Bool {
        allTry = true
        // Who answers instead of a host for ever is the host.
        spoofed = spoofed.filter { !$0.value.replaces }
        hear(whole: true)
        for _ in 0..<400 {
            for name in Array(processes.keys) {
                processes[name]?.openers = 0
                endIfRetired(name)
            }
            for _ in 0..<20 where !(orders.isEmpty && events.isEmpty) { work() }
            pass(.seconds(2))
            if orders.isEmpty && events.isEmpty && isRight { return true }
        }
        return isRight
    }

    private var isRight: Bool {
        let statics = Dictionary(
            uniqueKeysWithValues: configuration.sections.map { ($0.pattern.description, $0.servers) })
        let names = announced.filter { !$0.value.isEmpty && (try? DeviceName(port: $0.key)) != nil }
        let admitted = names.filter { name, _ in
            // The first host has the name; a port that was not there yet may require security.
            configuration.names.admits(name)
                && ((try? DeviceName(port: name)).map { protected.contains($0) } ?? false
                    || !attacked.contains(name) && !secured.contains(name))
        }.merging(statics) { $1 }
        guard processes.count == planner.wanted.count, processes.count <= configuration.maxPorts else { return false }
        // If there is room for all, each announced port runs; a port whose address is unknown keeps its old one.
        if configuration.maxPorts > Self.names.count,
            !admitted.keys.allSatisfy({ name in
                (try? DeviceName(port: name)).map { processes[$0] != nil } ?? false
            })
        {
            return false
        }
        guard Set(processes.keys.map { planner.minors[$0] }).count == processes.count else { return false }
        return processes.allSatisfy { name, process in
            let spec = planner.wanted.first { $0.name == name }
            // A host whose address is unknown keeps the port at its address, in any spelling.
            let isAnnounced = (Array(announced.keys) + hostile.keys).contains {
                $0.lowercased() == name.port.lowercased()
            }
            guard isAnnounced && configuration.names.admits(name.port) || statics[name.port] != nil else {
                return false
            }
            if statics[name.port] == nil, protected.contains(name), let place = place(name.port),
                !process.running.servers.contains(place)
            {
                return false
            }
            let servers = statics[name.port] ?? spec?.servers
            return process.running.servers == servers && process.running.options == spec?.options
                && !process.running.isRetiring
        }
    }

    var description: String {
        """
        wanted \(planner.wanted.map { "\($0.name) \($0.servers) \($0.options)" }), running \(processes), \
        orders \(orders), events \(events), announced \(announced), by others \(hostile), instead \(spoofed), secured \(secured), there \
        before \(protected.map(\.description)), remembered \(planner.remembered.mapValues(\.host)), denied names \
        \(configuration.names.deny), at most \(configuration.maxPorts)
        """
    }
}

extension Array {
    fileprivate func randomOne(_ random: inout SplitMix64) -> Element? { isEmpty ? nil : self[random.below(count)] }
}
