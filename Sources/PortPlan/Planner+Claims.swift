import SerialLine

/// A checked claim.
struct Heard {
    /// nil while the host is unknown.
    let host: HostName?
    let interface: String
    let type: String
    let domain: String
    let trust: Trust
    /// The endpoints that pass the address rules.
    let endpoints: [Endpoint]
    /// The entry of the TXT record that makes the port unusable.
    let fault: String?
}

// Selects the announcements that count.
extension Planner {
    /// The claims that may count, by device; the preferred claim first.
    mutating func claims() -> [DeviceName: [Heard]] {
        var heard: [DeviceName: [Heard]] = [:]
        let configured = configuredServers
        for announcement in announcements {
            guard let name = deviceName(of: announcement), configured[name] == nil else { continue }
            for claim in announcement.claims {
                if let claim = judged(claim, of: announcement, name) { heard[name, default: []].append(claim) }
            }
        }
        return heard
    }

    /// The known name that DNS considers equal.
    mutating func known(_ name: String) -> DeviceName? {
        // Swift considers some characters equal that DNS distinguishes, such as the Kelvin sign and K.
        guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        if let exact = try? DeviceName(port: name), ports[exact] != nil || book[exact] != nil { return exact }
        if spellings == nil {
            var names: [String: DeviceName] = [:]
            for name in book.records.keys { names[name.port.foldedAsDNS] = name }
            for name in ports.keys { names[name.port.foldedAsDNS] = name }
            for section in configuration.sections where section.pattern.isLiteral {
                guard let name = try? DeviceName(port: section.pattern.description) else { continue }
                names[name.port.foldedAsDNS] = name
            }
            spellings = names
        }
        return spellings?[name.foldedAsDNS]
    }

    /// The spelling under which a name has its number: a port that returns in another spelling is the same port.
    private mutating func numbered(_ name: DeviceName) -> DeviceName {
        if minors[name] != nil { return name }
        if numberedSpellings.count != minors.count {
            numberedSpellings = Dictionary(
                minors.names.map { ($0.port.foldedAsDNS, $0) }, uniquingKeysWith: { first, _ in first })
        }
        return numberedSpellings[name.port.foldedAsDNS].flatMap { minors[$0] == nil ? nil : $0 } ?? name
    }

    private mutating func deviceName(of announcement: Announcement) -> DeviceName? {
        let name: DeviceName
        if let known = known(announcement.name) {
            name = known
        } else {
            do throws(DeviceName.Illegal) { name = numbered(try DeviceName(port: announcement.name)) } catch {
                if configuration.names.admits(announcement.name) { refuse(announcement.name, "\(error)") }
                return nil
            }
        }
        guard configuration.names.admits(name.port) else { return nil }
        if configuration.isKernelLike(name.port) {
            refuse(
                name.port,
                "not used: '\(name.port)', because /dev/\(name) could be a kernel driver's name: "
                    + "list it in 'allow-names' of [discovery] if it is yours")
            return nil
        }
        return name
    }

    private mutating func judged(_ claim: Announcement.Claim, of announcement: Announcement, _ name: DeviceName)
        -> Heard?
    {
        guard configuration.interfaces.admits(claim.interface) else { return nil }
        if claim.isLocal && !configuration.local {
            refuse(
                "local \(name)",
                "ignoring '\(name.port)', which this machine announces: 'local = yes' in [discovery] allows it"
            )
            return nil
        }
        let trust = configuration.trust(of: name.port, on: claim.interface)
        if trust == .configured && !configuration.isConfigured(name.port) { return nil }
        let host = HostName(claim.host)
        let section = configuration.section(of: name.port)
        if let pinned = section?.interface, pinned != claim.interface { return nil }
        if let pinned = section?.host, let host, pinned != host {
            refuse(
                "pin \(name) \(host)",
                "'\(name.port)' belongs to \(pinned) (host in [port \(name.port)]); ignoring \(host), which also "
                    + "announces it")
            return nil
        }
        var endpoints: [Endpoint] = []
        for endpoint in claim.endpoints where host != nil {
            let why = AddressRules.refusal(
                of: endpoint, on: claim.interface, isLocal: claim.isLocal, networks: networks,
                configuration: configuration)
            guard let why else {
                endpoints.append(endpoint)
                continue
            }
            refuse("\(name) \(endpoint)", "ignoring address \(endpoint) of '\(name.port)': \(why)")
        }
        if endpoints.isEmpty && !claim.endpoints.isEmpty {
            // Its host is present, provided that an address in use is still allowed.
            let isUsable = ports[name]?.inUse.contains { endpoint in
                AddressRules.refusal(
                    of: endpoint, on: claim.interface, isLocal: claim.isLocal, networks: networks,
                    configuration: configuration) == nil
            }
            guard isUsable == true else { return nil }
        }
        return Heard(
            host: host, interface: claim.interface, type: announcement.type, domain: announcement.domain, trust: trust,
            endpoints: Array(endpoints.prefix([Endpoint].mostServers)), fault: claim.fault)
    }

    /// Whether the configuration allows an existing port. Removes addresses that are no longer allowed.
    func isAllowed(_ name: DeviceName, _ port: inout AnnouncedPort) -> Bool {
        guard configuration.names.admits(name.port), !configuration.isKernelLike(name.port) else { return false }
        let interfaces = port.interfaces.map(Optional.init) + (port.interfaces.isEmpty ? [nil] : [])
        let section = configuration.section(of: name.port)
        if let pinned = section?.host, let owner = port.owner, pinned != owner { return false }
        let allowed = interfaces.filter { interface in
            if configuration.trust(of: name.port, on: interface) == .configured, !configuration.isConfigured(name.port)
            {
                return false
            }
            guard let interface else { return true }
            return configuration.interfaces.admits(interface) && (section?.interface ?? interface) == interface
        }
        if allowed.isEmpty { return false }
        // Before the networks are known, no address can be refused.
        if networks.isEmpty || port.inUse.isEmpty { return true }
        port.interfaces = allowed.compactMap(\.self)
        port.removeInUse { endpoint in
            allowed.allSatisfy { interface in
                AddressRules.refusal(
                    of: endpoint, on: interface, isLocal: configuration.local, networks: networks,
                    configuration: configuration) != nil
            }
        }
        return !port.inUse.isEmpty
    }
}
