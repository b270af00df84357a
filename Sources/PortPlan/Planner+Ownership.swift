import SerialLine

// Which host has a name.
extension Planner {
    /// Contests that are listed, and those of one name.
    static let mostContests = 1024
    static let mostClaimants = 4

    mutating func takeClaims(_ heard: [DeviceName: [Heard]], _ now: MonotonicTime) {
        contested = []
        nextAdmission = nil
        let configured = configuredServers
        for name in ports.keys.sorted(by: { $0.description < $1.description }) {
            // A port that has its servers from the configuration needs no announcement.
            if configured[name] != nil {
                ports[name] = nil
                spellings = nil
                continue
            }
            let claims = heard[name] ?? []
            if ports[name]?.owner == nil { findOwner(name, claims) }
            let own = claims.filter { $0.host == nil || $0.host == ports[name]?.owner }
            if own.isEmpty {
                // Avahi shows one host of a name on a link: another one may hide the owner.
                let port = ports[name]
                let isHidden =
                    port?.owner != nil && port?.isYielding == false
                    && claims.contains { $0.trust == .firstUse }
                if isHidden {
                    ports[name]?.announce([], isComplete: isComplete, now)
                } else {
                    ports[name]?.miss(isComplete: isComplete, now)
                }
            } else {
                announce(name, own, now)
            }
            if let owner = ports[name]?.owner { contest(name, owner, claims) }
        }
        saySwapped()
        admit(heard.filter { ports[$0.key] == nil }, now)
    }

    /// Two hosts may have exchanged addresses, or somebody says so: a port that stays where it was then reaches the
    /// other host. That is for a person to judge.
    private mutating func saySwapped() {
        var places: [Endpoint: DeviceName] = [:]
        for (name, port) in ports { for endpoint in port.announced { places[endpoint] = name } }
        for (name, port) in ports.sorted(by: { $0.key.description < $1.key.description }) {
            guard let first = port.inUse.first, !port.announced.isEmpty, !port.announced.contains(first),
                let other = places[first], let owner = port.owner, let host = ports[other]?.owner, host != owner
            else { continue }
            refuse(
                "swap \(name)",
                "'\(name.port)' stays at \(first), but \(host) announces that address now, for '\(other.port)', and "
                    + "\(owner) announces \(port.announced.listed): if the hosts have exchanged addresses, "
                    + "'ttynvt-swift forget \(name.port)' lets it follow")
        }
    }

    /// A port that runs belongs to the first who announces exactly the address in use.
    private mutating func findOwner(_ name: DeviceName, _ claims: [Heard]) {
        let inUse = ports[name]?.inUse ?? []
        ports[name]?.owner = claims.first { $0.endpoints.contains { inUse.contains($0) } }?.host
    }

    private mutating func announce(_ name: DeviceName, _ own: [Heard], _ now: MonotonicTime) {
        let first = own.first { $0.host != nil }
        var endpoints: [Endpoint] = []
        for claim in own {
            if let fault = claim.fault { sayFault(name, claim, fault, "; the port goes on") }
            // Another service of the same name is another port.
            guard claim.type == first?.type, claim.domain == first?.domain else {
                sayLeftOut(name, claim, first)
                continue
            }
            for endpoint in claim.endpoints where !endpoints.contains(endpoint) { endpoints.append(endpoint) }
            // Interfaces are only added: one that comes and goes is no reason to write a file.
            if claim.host != nil, ports[name]?.interfaces.contains(claim.interface) == false,
                (ports[name]?.interfaces.count ?? 0) < RememberedPort.mostInterfaces
            {
                ports[name]?.interfaces.append(claim.interface)
            }
        }
        ports[name]?.announce(endpoints, isComplete: isComplete, now)
    }

    private mutating func sayLeftOut(_ name: DeviceName, _ claim: Heard, _ first: Heard?) {
        guard let first, claim.host != nil else { return }
        refuse(
            "\(claim.type) \(claim.domain) \(name)",
            "'\(name.port)' of \(claim.type) in \(claim.domain) is left out: there is one of \(first.type) in "
                + "\(first.domain) already")
    }

    private mutating func sayFault(_ name: DeviceName, _ claim: Heard, _ fault: String, _ outcome: String) {
        refuse("fault \(name)", "'\(name.port)' (\(claim.type)) is no port for us: \(fault)\(outcome)")
    }

    /// Lets in names that are not there: first those that are known, then new ones, as fast as their hosts may.
    private mutating func admit(_ heard: [DeviceName: [Heard]], _ now: MonotonicTime) {
        var new: [(share: Int, name: DeviceName, claims: [Heard])] = []
        for (name, all) in heard.sorted(by: { $0.key.description < $1.key.description }) {
            var claims = all.filter { $0.host != nil && !$0.endpoints.isEmpty }
            let pinned = configuration.section(of: name.port)?.host
            if let owner = pinned ?? book[name]?.host {
                // Its owner is let in at once, whatever it says of itself.
                let own = claims.filter { $0.host == owner }
                if !own.isEmpty {
                    add(name, own, now)
                    contest(name, owner, claims)
                    continue
                }
                contest(name, owner, claims)
                claims = claims.filter { $0.trust == .announced }
            }
            for claim in claims {
                if let fault = claim.fault { sayFault(name, claim, fault, "") }
            }
            claims = claims.filter { $0.fault == nil }
            guard let host = claims.first?.host else { continue }
            new.append((admission.share(of: host, now), name, claims))
        }
        // A host that floods waits behind one that does not.
        for (_, name, claims) in new.sorted(by: { ($1.share, $0.name.description) < ($0.share, $1.name.description) }) {
            guard let first = claims.first, let host = first.host else { continue }
            if let retry = admission.admit(host, on: first.interface, now) {
                nextAdmission = sooner(nextAdmission, retry)
                continue
            }
            add(name, claims.filter { $0.host == host }, now)
            contest(name, host, claims)
        }
    }

    /// - Parameters:
    ///   - own: claims of one host.
    ///   - settles: more addresses of a new name may come in before it counts.
    private mutating func add(_ name: DeviceName, _ own: [Heard], settles: Bool = true, _ now: MonotonicTime) {
        guard let host = own.first?.host else { return }
        let record = book[name].flatMap { $0.host == host ? $0 : nil }
        // The remembered address is tried first; if it may not be used any longer, the announced ones count.
        let before = (record?.addresses ?? []).filter { endpoint in
            own.contains { claim in
                AddressRules.refusal(
                    of: endpoint, on: claim.interface, isLocal: configuration.local, networks: networks,
                    configuration: configuration) == nil
            }
        }
        let inUse = before.isEmpty && !settles ? own.flatMap(\.endpoints) : before
        ports[name] = AnnouncedPort(
            owner: host, interfaces: [], inUse: inUse, isKnown: !inUse.isEmpty,
            firstSeen: record?.firstSeen ?? unixTime, now)
        spellings = nil
        announce(name, own, now)
    }

    /// Lists the others who announce a name, and says so once.
    private mutating func contest(_ name: DeviceName, _ owner: HostName, _ claims: [Heard]) {
        var claimants: [HostName] = []
        for claim in claims where claim.trust == .firstUse {
            guard let host = claim.host, host != owner, !claimants.contains(host), !claim.endpoints.isEmpty,
                claimants.count < Self.mostClaimants, contested.count < Self.mostContests
            else { continue }
            claimants.append(host)
            contested.append(
                Contest(
                    name: name, owner: owner, claimant: host, addresses: claim.endpoints, interface: claim.interface))
            let key = "\(name) \(host)"
            guard saidContests.count <= Self.mostRefusals, saidContests.insert(key).inserted else { continue }
            notes.append(
                saidContests.count <= Self.mostRefusals
                    ? "'\(name.port)' belongs to \(owner), and \(host) announces it, too (\(claim.interface), "
                        + "\(claim.endpoints.listed)): 'ttynvt-swift accept \(name.port)' gives it to \(host)"
                    : "more names are announced by others than their owners: 'ttynvt-swift browse' lists them")
        }
    }

    /// Remembers names that have lived for a while, and changes of those that are remembered.
    mutating func rememberPorts(_ now: MonotonicTime) {
        let running = Set(wanted.map(\.name))
        for name in running {
            guard let port = ports[name] else { continue }
            if let known = book[name] {
                if known.host == port.owner, known.interfaces == port.interfaces, known.addresses == port.inUse {
                    continue
                }
            } else if port.missingSince != nil || now.since(port.livesSince) < AnnouncedPort.remembersAfter {
                continue
            }
            guard let record = record(of: port) else { continue }
            ports[name]?.isYielding = false
            if book.insert(name, record, isInUse: { running.contains($0) || ports[$0] != nil }) { spellings = nil }
        }
    }

    private func record(of port: AnnouncedPort) -> RememberedPort? {
        guard let owner = port.owner else { return nil }
        var subnets: [String] = []
        for address in port.inUse.compactMap({ IPAddress($0.host) }) {
            for interface in port.interfaces {
                let subnet = networks.subnets(of: interface).first { $0.contains(address) }?.description
                if let subnet, !subnets.contains(subnet) { subnets.append(subnet) }
            }
        }
        return RememberedPort(
            host: owner, interfaces: port.interfaces, subnets: subnets, addresses: port.inUse,
            firstSeen: port.firstSeen)
    }

    /// A port is where its owner says now, as if it were new, and runs on.
    mutating func renew(_ name: DeviceName, _ port: AnnouncedPort, _ now: MonotonicTime) {
        let all = claims()[name] ?? []
        let own = all.filter { $0.host == port.owner && !$0.endpoints.isEmpty }
        if !own.isEmpty {
            add(name, own, settles: false, now)
        } else if all.contains(where: { $0.host != nil && $0.host != port.owner }) {
            // The next host is there.
            ports[name] = nil
        } else {
            ports[name]?.livesSince = now
        }
        ports[name]?.isYielding = true
    }

    /// Gives a name to another host, with the addresses that the host announces.
    mutating func give(_ name: DeviceName, to host: HostName, _ now: MonotonicTime) {
        let own = (claims()[name] ?? []).filter { $0.host == host && !$0.endpoints.isEmpty }
        guard !own.isEmpty else { return }
        _ = book.remove(name)
        add(name, own, settles: false, now)
        if let port = ports[name], let record = record(of: port) {
            _ = book.insert(name, record, isInUse: { ports[$0] != nil })
        }
        spellings = nil
        judge(now)
    }
}
