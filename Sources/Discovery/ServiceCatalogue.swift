import SerialLine

/// All announced items, merged into services. Its size is limited against any announcer.
///
/// A sighting is a service on one interface. It has one place, of one of three kinds; each kind has a limit that the
/// interfaces share (`FairShares`):
/// - known: its name belongs to the owner, which limits the number. A known name always fits.
/// - resolved: a stranger with an address.
/// - unresolved: a stranger without an address. If there is no room for a newcomer, a stranger that has failed loses
///   its place, if its interface has no fewer places than the newcomer's. Otherwise it remains, and is tried again.
///
/// A sighting that gets no place, or loses it, counts as overflow until everything is listed anew. A withdrawal does
/// not reduce the overflow, because anyone can withdraw names that were never announced.
package struct ServiceCatalogue {
    /// Most items of one sighting. Avahi has two, IPv4 and IPv6.
    package static let mostTransports = 4
    /// Longest name, type or domain, in bytes: DNS limits names to 255.
    package static let longestName = 255
    /// Most sightings of known names: 4,096 names on four interfaces.
    package static let mostKnown = 16384

    private enum Kind {
        case known
        case resolved
        case unresolved
    }

    private struct Sighting {
        var kind: Kind
        var interfaceName: String
        /// By transport.
        var places: [Int32: Place] = [:]
    }

    struct Place {
        var isLocal: Bool
        var resolution: Resolution?
        /// Not announced since the last `beginListing`.
        var isOld = false
    }

    private struct Entry {
        /// In the spelling that was received first.
        let key: ServiceKey
        /// By the interface's index.
        var sightings: [Int32: Sighting] = [:]
    }

    private struct Spot: Hashable {
        let key: ServiceKey
        let interface: Int32
    }

    package enum Announcement: Equatable {
        /// Not known before.
        case new
        case known
        /// Refused: too many, or too long.
        case refused
    }

    /// Most resolved and most unresolved strangers, counted in sightings.
    package let maxServices: Int
    package let maxUnresolved: Int
    /// Sorted by key.
    package private(set) var services: [DiscoveredService] = []
    /// Announcements dropped since the last `beginListing`.
    package private(set) var overflow = 0
    private let isKnown: (String) -> Bool
    private var entries: [ServiceKey: Entry] = [:]
    private var known = FairShares<ServiceKey>(limit: Self.mostKnown)
    private var resolved: FairShares<ServiceKey>
    private var unresolved: FairShares<ServiceKey>
    /// Unresolved sightings that have failed, with the number of failures.
    private var failed: [Spot: Int] = [:]
    private var lost: [ServiceItem] = []

    /// - Parameter isKnown: whether a service's name belongs to the owner. Called when needed; `review` calls it for
    ///   all names.
    package init(
        maxServices: Int = 2048, maxUnresolved: Int = 512, isKnown: @escaping (_ name: String) -> Bool = { _ in false }
    ) {
        self.maxServices = maxServices
        self.maxUnresolved = maxUnresolved
        self.isKnown = isKnown
        resolved = FairShares(limit: maxServices)
        unresolved = FairShares(limit: maxUnresolved)
    }

    /// Number of services of all kinds.
    package var count: Int { entries.count }

    /// Number of sightings that hold a place of each kind.
    package var placeCounts: (known: Int, resolved: Int, unresolved: Int) {
        (known.count, resolved.count, unresolved.count)
    }

    package func contains(_ item: ServiceItem) -> Bool { place(item) != nil }

    private func place(_ item: ServiceItem) -> Place? {
        entries[item.service]?.sightings[item.interface]?.places[item.transport]
    }

    /// An item was announced.
    /// - Parameter isLocal: announced by this machine.
    package mutating func announce(_ item: ServiceItem, interfaceName: String, isLocal: Bool = false) -> Announcement {
        let key = item.service
        guard [key.name, key.type, key.domain].allSatisfy({ $0.utf8.count <= Self.longestName }) else {
            return .refused
        }
        guard var sighting = entries[key]?.sightings[item.interface] else {
            let kind: Kind = isKnown(key.name) ? .known : .unresolved
            guard admit(Spot(key: key, interface: item.interface), kind) else {
                overflow += 1
                return .refused
            }
            var sighting = Sighting(kind: kind, interfaceName: interfaceName)
            sighting.places[item.transport] = Place(isLocal: isLocal)
            entries[key, default: Entry(key: key)].sightings[item.interface] = sighting
            update(key)
            return .new
        }
        let isNew = sighting.places[item.transport] == nil
        guard !isNew || sighting.places.count < Self.mostTransports else {
            overflow += 1
            return .refused
        }
        let isSame =
            !isNew && sighting.interfaceName == interfaceName
            && sighting.places[item.transport]?.isLocal == isLocal
        sighting.interfaceName = interfaceName
        sighting.places[item.transport, default: Place(isLocal: isLocal)].isLocal = isLocal
        sighting.places[item.transport]?.isOld = false
        entries[key]?.sightings[item.interface] = sighting
        if !isSame { update(key) }
        return isNew ? .new : .known
    }

    /// An item was withdrawn.
    package mutating func withdraw(_ item: ServiceItem) {
        let spot = Spot(key: item.service, interface: item.interface)
        guard contains(item) else { return }
        entries[spot.key]?.sightings[spot.interface]?.places[item.transport] = nil
        if entries[spot.key]?.sightings[spot.interface]?.places.isEmpty == true { remove(spot) } else { settle(spot) }
        update(spot.key)
    }

    /// Removes the services on interfaces that are no longer wanted.
    /// - Returns: the removed items.
    package mutating func withdraw(where isUnwanted: (_ name: String, _ interface: String) -> Bool) -> [ServiceItem] {
        let unwanted = items.filter { item in
            guard let sighting = entries[item.service]?.sightings[item.interface] else { return false }
            return isUnwanted(item.service.name, sighting.interfaceName)
        }
        for item in unwanted { withdraw(item) }
        return unwanted
    }

    /// Sets the address of an item's server. It is valid until the next resolution, or until the item is gone.
    package mutating func resolve(_ item: ServiceItem, _ resolution: Resolution) {
        guard contains(item) else { return }
        entries[item.service]?.sightings[item.interface]?.places[item.transport]?.resolution = resolution
        settle(Spot(key: item.service, interface: item.interface))
        update(item.service)
    }

    /// An item could not be resolved. Its last resolution, if any, remains.
    package mutating func fail(_ item: ServiceItem) {
        guard contains(item), entries[item.service]?.sightings[item.interface]?.kind == .unresolved else { return }
        failed[Spot(key: item.service, interface: item.interface), default: 0] += 1
    }

    /// Checks again which names are known.
    package mutating func review() {
        for service in services {
            for interface in (entries[service.key]?.sightings.keys ?? [:].keys).sorted() {
                settle(Spot(key: service.key, interface: interface))
            }
        }
    }

    /// Everything will be announced anew.
    package mutating func beginListing() {
        overflow = 0
        for item in items { mark(item) }
    }

    private mutating func mark(_ item: ServiceItem) {
        entries[item.service]?.sightings[item.interface]?.places[item.transport]?.isOld = true
    }

    /// Everything was announced: items that were not are gone.
    /// - Returns: the removed items.
    package mutating func endListing() -> [ServiceItem] {
        let old = items.filter { place($0)?.isOld == true }
        for item in old { withdraw(item) }
        return old
    }

    /// The items that have lost their places since the last call.
    package mutating func takeLost() -> [ServiceItem] {
        defer { lost = [] }
        return lost
    }

    private var items: [ServiceItem] { entries.values.flatMap(items(of:)) }

    private func items(of entry: Entry) -> [ServiceItem] {
        entry.sightings.flatMap { interface, sighting in
            sighting.places.keys.map { ServiceItem(entry.key, interface: interface, transport: $0) }
        }
    }

    // MARK: Places

    /// Gives a sighting a place of a kind, taking one from another sighting if necessary.
    private mutating func admit(_ spot: Spot, _ kind: Kind) -> Bool {
        if kind == .unresolved, unresolved.isFull, let weakest = weakest(for: spot.interface) { evict(weakest) }
        let admission =
            switch kind {
            case .known: known.admit(spot.key, to: spot.interface)
            case .resolved: resolved.admit(spot.key, to: spot.interface)
            case .unresolved: unresolved.admit(spot.key, to: spot.interface)
            }
        switch admission {
        case .taken: return true
        case .refused: return false
        case .inPlaceOf(let key, let interface):
            let loser = Spot(key: key, interface: interface)
            // Its name may have become known to the owner.
            if kind != .known, isKnown(key.name), admit(loser, .known) {
                failed[loser] = nil
                entries[key]?.sightings[interface]?.kind = .known
            } else {
                evict(loser)
            }
            return true
        }
    }

    /// The stranger with the most failures, among those whose interface has no fewer places than this one.
    private func weakest(for interface: Int32) -> Spot? {
        let mine = unresolved.count(of: interface)
        return failed.filter { unresolved.count(of: $0.key.interface) >= mine && !isKnown($0.key.key.name) }
            .max { ($0.value, $1.key.key, $1.key.interface) < ($1.value, $0.key.key, $0.key.interface) }?.key
    }

    /// Moves a sighting to a place of the right kind; removes it if no place is free.
    private mutating func settle(_ spot: Spot) {
        guard let sighting = entries[spot.key]?.sightings[spot.interface] else { return }
        let isResolved = sighting.places.values.contains { $0.resolution != nil }
        let kind: Kind = isKnown(spot.key.name) ? .known : isResolved ? .resolved : .unresolved
        guard kind != sighting.kind else { return }
        leave(spot, sighting.kind)
        entries[spot.key]?.sightings[spot.interface]?.kind = kind
        if !admit(spot, kind) { evict(spot) }
    }

    private mutating func leave(_ spot: Spot, _ kind: Kind) {
        failed[spot] = nil
        switch kind {
        case .known: known.remove(spot.key, from: spot.interface)
        case .resolved: resolved.remove(spot.key, from: spot.interface)
        case .unresolved: unresolved.remove(spot.key, from: spot.interface)
        }
    }

    /// Removes a sighting for lack of room.
    private mutating func evict(_ spot: Spot) {
        overflow += 1
        lost += (entries[spot.key]?.sightings[spot.interface]?.places.keys ?? [:].keys).map {
            ServiceItem(spot.key, interface: spot.interface, transport: $0)
        }
        remove(spot)
        update(spot.key)
    }

    private mutating func remove(_ spot: Spot) {
        guard let sighting = entries[spot.key]?.sightings.removeValue(forKey: spot.interface) else { return }
        leave(spot, sighting.kind)
        if entries[spot.key]?.sightings.isEmpty == true { entries[spot.key] = nil }
    }

    // MARK: Services

    /// Updates `services` for one service.
    private mutating func update(_ key: ServiceKey) {
        var low = 0
        var high = services.count
        while low < high {
            let middle = (low + high) / 2
            if services[middle].key < key { low = middle + 1 } else { high = middle }
        }
        let isThere = low < services.count && services[low].key == key
        guard let entry = entries[key] else {
            if isThere { services.remove(at: low) }
            return
        }
        let places = entry.sightings.flatMap { interface, sighting in
            sighting.places.map { transport, place in
                PlaceOfService(
                    item: ServiceItem(entry.key, interface: interface, transport: transport),
                    interfaceName: sighting.interfaceName, isLocal: place.isLocal, resolution: place.resolution)
            }
        }
        let merged = DiscoveredService(entry.key, places)
        if isThere { services[low] = merged } else { services.insert(merged, at: low) }
    }
}
