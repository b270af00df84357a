import SerialLine

// Decides which host owns a name.
extension Planner {
    /// Most contests listed, and most for one name.
    static let mostContests = 1024
    static let mostClaimants = 4

    mutating func takeClaims(_ heard: [DeviceName: [Heard]], _ now: MonotonicTime) {
        contested = []
        nextAdmission = nil
        let configured = configuredServers
        for name in ports.keys.sorted(by: { $0.description < $1.description }) {
            // A port with configured servers needs no announcement.
            if configured[name] != nil {
                ports[name] = nil
                spellings = nil
                continue
            }
            let claims = heard[name] ?? []
            if ports[name]?.owner == nil { findOwner(name, claims) }
            let own = claims.filter { $0.host == nil || $0.host == ports[name]?.owner }
            if own.isEmpty {
                // Avahi shows only one host for a name on a link, so another host may hide the owner.
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

    /// Logs a suspected swap: two hosts may have exchanged their addresses, or one of them pretends to, and a port
    /// that keeps its address would then reach the other host. Only the user can decide that.
    private mutating func saySwapped() {
        var places: [Endpoint: DeviceName] = [:]
        for (name, port) in ports { for endpoint in port.announced { places[endpoint] = name } }
        for (name, port) in ports.sorted(by: { $0.key.description < $1.key.description }) {
            guard let first = port.inUse.first, !port.announced.isEmpty, !port.announced.contains(first),
                let other = places[first], let owner = port.owner, let host = ports[other]?.owner, host != owner
            else { continue }
            refuse(
                "swap \(name)",
                "'\(name.port)' remains at \(first), but \(host) now announces that address for '\(other.port)', and "
                    + "\(owner) announces \(port.announced.listed): if the hosts have exchanged addresses, "
                    + "run 'ttynvt-swift forget \(name.port)' to let it follow")
        }
    }

    /// A running port belongs to the first host that announces exactly the address in use.
    private mutating func findOwner(_ name: DeviceName, _ claims: [Heard]) {
        let inUse = ports[name]?.inUse ?? []
        ports[name]?.owner = claims.first { $0.endpoints.contains { inUse.contains($0) } }?.host
    }

    private mutating func announce(_ name: DeviceName, _ own: [Heard], _ now: MonotonicTime) {
        let first = own.first { $0.host != nil }
        var endpoints: [Endpoint] = []
        for claim in own {
            if let fault = claim.fault { sayFault(name, claim, fault, "; the port keeps running") }
            // Another service with the same name is another port.
            guard claim.type == first?.type, claim.domain == first?.domain else {
                sayLeftOut(name, claim, first)
                continue
            }
            for endpoint in claim.endpoints where !endpoints.contains(endpoint) { endpoints.append(endpoint) }
            // Interfaces are only added: an interface that comes and goes is not worth writing a file.
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
            "ignoring '\(name.port)' of \(claim.type) in \(claim.domain): the port is used for \(first.type) in "
                + "\(first.domain) already")
    }

    private mutating func sayFault(_ name: DeviceName, _ claim: Heard, _ fault: String, _ outcome: String) {
        refuse("fault \(name)", "ignoring '\(name.port)' (\(claim.type)): \(fault)\(outcome)")
    }

    /// Admits new names: remembered ones first, then new ones within the rate limits of their hosts.
    private mutating func admit(_ heard: [DeviceName: [Heard]], _ now: MonotonicTime) {
        var new: [(share: Int, name: DeviceName, claims: [Heard])] = []
        for (name, all) in heard.sorted(by: { $0.key.description < $1.key.description }) {
            var claims = all.filter { $0.host != nil && !$0.endpoints.isEmpty }
            let pinned = configuration.section(of: name.port)?.host
            if let owner = pinned ?? book[name]?.host {
                // Its owner is admitted at once, even if its TXT record makes the port unusable.
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
        // A flooding host is served after others.
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
    ///   - settles: further addresses of a new name may arrive before it counts.
    private mutating func add(_ name: DeviceName, _ own: [Heard], settles: Bool = true, _ now: MonotonicTime) {
        guard let host = own.first?.host else { return }
        let record = book[name].flatMap { $0.host == host ? $0 : nil }
        // The remembered address is tried first; if it is no longer allowed, the announced ones are used.
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

    /// Lists the other hosts that announce a name, and logs each once.
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
                    ? "'\(name.port)' belongs to \(owner), and \(host) also announces it (\(claim.interface), "
                        + "\(claim.endpoints.listed)): run 'ttynvt-swift accept \(name.port)' to give it to \(host)"
                    : "more names are announced by hosts that do not own them: 'ttynvt-swift browse' lists them")
        }
    }

    /// Remembers names that have existed for a while, and changes of remembered ones.
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

    /// A port adopts the addresses that its owner announces now, as if it were new, and keeps running.
    mutating func renew(_ name: DeviceName, _ port: AnnouncedPort, _ now: MonotonicTime) {
        let all = claims()[name] ?? []
        let own = all.filter { $0.host == port.owner && !$0.endpoints.isEmpty }
        if !own.isEmpty {
            add(name, own, settles: false, now)
        } else if all.contains(where: { $0.host != nil && $0.host != port.owner }) {
            // The next host is announcing.
            ports[name] = nil
        } else {
            ports[name]?.livesSince = now
        }
        ports[name]?.isYielding = true
    }

    /// Makes another host the owner of a name; the port then uses the addresses that the new owner announces.
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
