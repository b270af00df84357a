import SerialLine

/// One service, whichever way it is seen.
package struct ServiceKey: Hashable, Comparable, Sendable {
    package let name: String
    package let type: String
    package let domain: String

    package init(name: String, type: String, domain: String) {
        self.name = name
        self.type = type
        self.domain = domain
    }

    package static func < (a: ServiceKey, b: ServiceKey) -> Bool {
        (a.name, a.type, a.domain) < (b.name, b.type, b.domain)
    }
}

/// One announcement of a service: on a network interface, by IPv4 or IPv6. Avahi's word for it is item.
package struct ServiceItem: Hashable, Sendable {
    package let service: ServiceKey
    /// The interface's index.
    package let interface: Int32
    /// Avahi's number of the protocol the announcement came by: 0 IPv4, 1 IPv6.
    package let transport: Int32

    package init(_ service: ServiceKey, interface: Int32, transport: Int32) {
        self.service = service
        self.interface = interface
        self.transport = transport
    }
}

/// Where an item's server is.
package struct Resolution: Sendable, Equatable {
    package let host: String
    package let address: String
    package let port: UInt16
    package let txt: TXTRecord

    /// - Returns: nil for what no server can have: a port of 0 (RFC 6763, section 6: "not available"), an address that
    ///   is none.
    package init?(host: String, address: String, port: UInt16, txt: TXTRecord) {
        guard port > 0, AddressRank(address) != nil else { return nil }
        self.host = host
        self.address = address
        self.port = port
        self.txt = txt
    }
}

/// What is announced, item by item, and the services that this makes. Bounded, whatever the network says.
package struct ServiceCatalogue {
    /// Most items of one service.
    package static let mostItems = 8
    /// Longest name, type or domain, in bytes. DNS has names of 255 bytes at most.
    package static let longestName = 255

    private struct Place {
        var interfaceName: String
        var resolution: Resolution?
        /// Not announced since the last `beginListing`.
        var isOld = false
    }

    package enum Announcement: Equatable {
        /// Not known before.
        case new
        case known
        /// Not taken: too many, or too long.
        case refused
    }

    package let maxServices: Int
    /// Sorted by key.
    package private(set) var services: [DiscoveredService] = []
    /// Announcements refused and not withdrawn since the last `beginListing`.
    package private(set) var overflow = 0
    private var places: [ServiceKey: [ServiceItem: Place]] = [:]

    package init(maxServices: Int = 2048) { self.maxServices = maxServices }

    package var count: Int { places.count }

    package func contains(_ item: ServiceItem) -> Bool { places[item.service]?[item] != nil }

    /// An item is there.
    package mutating func announce(_ item: ServiceItem, interfaceName: String) -> Announcement {
        let key = item.service
        if let place = places[key]?[item] {
            places[key]?[item]?.isOld = false
            if place.interfaceName != interfaceName {
                places[key]?[item]?.interfaceName = interfaceName
                update(key)
            }
            return .known
        }
        let hasRoom = places[key].map { $0.count < Self.mostItems } ?? (places.count < maxServices)
        guard hasRoom, [key.name, key.type, key.domain].allSatisfy({ $0.utf8.count <= Self.longestName }) else {
            overflow += 1
            return .refused
        }
        places[key, default: [:]][item] = Place(interfaceName: interfaceName)
        update(key)
        return .new
    }

    /// An item is gone.
    package mutating func withdraw(_ item: ServiceItem) {
        guard places[item.service]?.removeValue(forKey: item) != nil else {
            overflow = max(0, overflow - 1)
            return
        }
        update(item.service)
    }

    /// The last word on where an item's server is. It stands until the next one, or the item is gone.
    package mutating func resolve(_ item: ServiceItem, _ resolution: Resolution) {
        guard places[item.service]?[item] != nil else { return }
        places[item.service]?[item]?.resolution = resolution
        update(item.service)
    }

    /// Everything will be announced anew.
    package mutating func beginListing() {
        overflow = 0
        for key in places.keys {
            for item in Array(places[key, default: [:]].keys) { places[key]?[item]?.isOld = true }
        }
    }

    /// Everything has been announced: what has not is gone.
    /// - Returns: the items that went.
    package mutating func endListing() -> [ServiceItem] {
        let old = places.values.flatMap { $0.filter(\.value.isOld).keys }
        for item in old { withdraw(item) }
        return old
    }

    /// Brings `services` in line with a service's places.
    private mutating func update(_ key: ServiceKey) {
        var low = 0
        var high = services.count
        while low < high {
            let middle = (low + high) / 2
            if services[middle].key < key { low = middle + 1 } else { high = middle }
        }
        let isThere = low < services.count && services[low].key == key
        let items = places[key, default: [:]]
        guard !items.isEmpty else {
            places[key] = nil
            if isThere { services.remove(at: low) }
            return
        }
        let merged = Self.merge(key, items)
        if isThere { services[low] = merged } else { services.insert(merged, at: low) }
    }

    /// The same whatever came first: the item with the best address says which host it is, all items of that host say
    /// where it is. Two hosts of one name, on two networks, are never mixed.
    private static func merge(_ key: ServiceKey, _ items: [ServiceItem: Place]) -> DiscoveredService {
        var service = DiscoveredService(name: key.name, type: key.type, domain: key.domain)
        service.interfaces = Array(Set(items.values.map(\.interfaceName))).sorted()
        let resolved = items.compactMap { item, place in
            place.resolution.flatMap { Candidate(item, place.interfaceName, $0) }
        }.sorted { $0.order < $1.order }
        guard let best = resolved.first?.resolution else { return service }
        service.host = best.host
        service.txt = best.txt
        for candidate in resolved where candidate.resolution.host.lowercased() == best.host.lowercased() {
            if !service.endpoints.contains(candidate.endpoint) { service.endpoints.append(candidate.endpoint) }
        }
        return service
    }

    /// One item's word, with its place in the order to try.
    private struct Candidate {
        let resolution: Resolution
        let endpoint: Endpoint
        let order: (AddressRank, Int32, Int32, String, UInt16)

        init?(_ item: ServiceItem, _ interfaceName: String, _ resolution: Resolution) {
            guard let rank = AddressRank(resolution.address) else { return nil }
            self.resolution = resolution
            let zone = rank == .linkLocalIPv6 ? "%" + interfaceName : ""
            endpoint = Endpoint(host: resolution.address + zone, port: resolution.port)
            order = (rank, item.interface, item.transport, endpoint.host, endpoint.port)
        }
    }
}

extension DiscoveredService {
    package var key: ServiceKey { ServiceKey(name: name, type: type, domain: domain) }
}

/// Kinds of addresses, the one to try first first.
enum AddressRank: Int, Comparable {
    case ipv4
    case linkLocalIPv4
    case ipv6
    case linkLocalIPv6

    static func < (a: AddressRank, b: AddressRank) -> Bool { a.rawValue < b.rawValue }

    /// - Returns: nil for what has not the form of an address.
    init?(_ address: String) {
        let isHex: (UInt8) -> Bool = { Character(UnicodeScalar($0)).isHexDigit }
        let bytes = address.utf8
        guard bytes.count <= 45 else { return nil }
        if bytes.contains(UInt8(ascii: ":")) {
            guard bytes.allSatisfy({ isHex($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }) else {
                return nil
            }
            // fe80::/10
            let first = UInt16(address.prefix { $0 != ":" }, radix: 16) ?? 0
            self = first & 0xFFC0 == 0xFE80 ? .linkLocalIPv6 : .ipv6
        } else {
            let parts = address.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 4, parts.allSatisfy({ $0.utf8.count <= 3 && UInt8($0) != nil && $0.first != "+" })
            else { return nil }
            self = address.hasPrefix("169.254.") ? .linkLocalIPv4 : .ipv4
        }
    }
}
