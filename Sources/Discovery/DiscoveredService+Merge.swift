import SerialLine

/// The result of one resolved item.
struct PlaceOfService {
    let item: ServiceItem
    let interfaceName: String
    let isLocal: Bool
    let resolution: Resolution?
}

extension DiscoveredService {
    package var key: ServiceKey { ServiceKey(name: name, type: type, domain: domain) }

    /// Merges items; the result does not depend on their order. All items of one host on one interface make a claim.
    /// The item with the best address determines `host` and `txt`, and all items of that host contribute to
    /// `endpoints`. Items of different hosts are never mixed.
    init(_ key: ServiceKey, _ places: [PlaceOfService]) {
        self.init(name: key.name, type: key.type, domain: key.domain)
        interfaces = Array(Set(places.map(\.interfaceName))).sorted()
        let words = places.compactMap(Word.init).sorted { $0.order < $1.order }
        claims = Dictionary(grouping: words) { $0.source }.sorted { $0.key < $1.key }.compactMap { source, words in
            words.first.map {
                ServiceClaim(
                    host: $0.resolution.host, interface: source.interface, isLocal: source.isLocal,
                    endpoints: Self.endpoints(words), txt: $0.resolution.txt)
            }
        }
        guard let best = words.first else { return }
        host = best.resolution.host
        txt = best.resolution.txt
        endpoints = Self.endpoints(words.filter { $0.source.host == best.source.host })
    }

    private static func endpoints(_ words: [Word]) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for word in words where !endpoints.contains(word.endpoint) { endpoints.append(word.endpoint) }
        return endpoints
    }

    /// The source of an item.
    private struct Source: Hashable, Comparable {
        let interface: String
        let host: [UInt8]
        let isLocal: Bool

        static func < (a: Source, b: Source) -> Bool {
            if a.interface != b.interface { return a.interface < b.interface }
            if a.host != b.host { return a.host.lexicographicallyPrecedes(b.host) }
            return !a.isLocal && b.isLocal
        }
    }

    /// The result of one resolved item, with its rank among the addresses to try.
    private struct Word {
        let resolution: Resolution
        let endpoint: Endpoint
        let source: Source
        let order: (AddressRank, Int32, Int32, String, UInt16)

        init?(_ place: PlaceOfService) {
            guard let resolution = place.resolution, let rank = AddressRank(resolution.address) else { return nil }
            self.resolution = resolution
            let zone = rank == .linkLocalIPv6 ? "%" + place.interfaceName : ""
            endpoint = Endpoint(host: resolution.address + zone, port: resolution.port)
            source = Source(
                interface: place.interfaceName, host: DNSName.folded(resolution.host), isLocal: place.isLocal)
            order = (rank, place.item.interface, place.item.transport, endpoint.host, endpoint.port)
        }
    }
}
