import Discovery
import SerialLine
import TestSupport
import Testing

/// Compares the catalogue with a plain list of announcements, in random orders.
struct CatalogueModelTests {
    private struct Said {
        let item: ServiceItem
        var isLocal = false
        var resolution: Resolution?
        var isOld = false
    }

    private static let addresses = ["192.0.2.1", "192.0.2.2", "169.254.0.1", "2001:db8::1", "fe80::1", "FE80::2"]

    private var random: SplitMix64

    init() { random = SplitMix64(seed: 1) }

    private mutating func number(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }

    private mutating func item() -> ServiceItem {
        ServiceItem(
            ServiceKey(name: "n\(number(4))", type: "_t\(number(2))._tcp", domain: "local"),
            interface: Int32(1 + number(3)), transport: Int32(number(2)))
    }

    /// What a reader of the list would say.
    private static func services(_ said: [Said]) -> [DiscoveredService] {
        Set(said.map(\.item.service)).sorted().map { key in
            let mine = said.filter { $0.item.service == key }
            var service = DiscoveredService(name: key.name, type: key.type, domain: key.domain)
            service.interfaces = Set(mine.map { "if\($0.item.interface)" }).sorted()
            service.claims = claims(mine)
            let resolved = mine.filter { $0.resolution != nil }.sorted { order($0) < order($1) }
            service.host = resolved.first?.resolution?.host ?? ""
            service.txt = resolved.first?.resolution?.txt ?? TXTRecord()
            for place in resolved where place.resolution?.host == service.host {
                guard let endpoint = endpoint(place), !service.endpoints.contains(endpoint) else { continue }
                service.endpoints.append(endpoint)
            }
            return service
        }
    }

    private static func claims(_ mine: [Said]) -> [ServiceClaim] {
        var claims: [ServiceClaim] = []
        for interface in 1...3 {
            for host in ["h0", "h1"] {
                for isLocal in [false, true] {
                    let said = mine.filter {
                        $0.item.interface == Int32(interface) && $0.resolution?.host == host && $0.isLocal == isLocal
                    }.sorted { order($0) < order($1) }
                    guard let best = said.first?.resolution else { continue }
                    var endpoints: [Endpoint] = []
                    for endpoint in said.compactMap(endpoint) where !endpoints.contains(endpoint) {
                        endpoints.append(endpoint)
                    }
                    claims.append(
                        ServiceClaim(
                            host: host, interface: "if\(interface)", isLocal: isLocal, endpoints: endpoints,
                            txt: best.txt))
                }
            }
        }
        return claims
    }

    private static func endpoint(_ said: Said) -> Endpoint? {
        said.resolution.map { resolution in
            let isLocal = resolution.address.lowercased().hasPrefix("fe80")
            return Endpoint(
                host: resolution.address + (isLocal ? "%if\(said.item.interface)" : ""), port: resolution.port)
        }
    }

    private static func order(_ said: Said) -> (Int, Int32, Int32, String) {
        let address = said.resolution?.address ?? ""
        let rank = [0, 0, 1, 2, 3, 3][addresses.firstIndex(of: address) ?? 0]
        return (rank, said.item.interface, said.item.transport, address)
    }

    @Test mutating func randomOrders() throws {
        for _ in 0..<200 {
            var catalogue = ServiceCatalogue()
            var said: [Said] = []
            for _ in 0..<60 {
                let item = item()
                let index = said.firstIndex { $0.item == item }
                switch number(8) {
                case 0...2:
                    let isLocal = number(3) == 0
                    let new = catalogue.announce(item, interfaceName: "if\(item.interface)", isLocal: isLocal)
                    #expect(new == (index == nil ? .new : .known))
                    if let index { said[index].isOld = false } else { said.append(Said(item: item)) }
                    said[index ?? said.count - 1].isLocal = isLocal
                case 3...4:
                    let resolution = try #require(
                        Resolution(
                            host: "h\(number(2))", address: Self.addresses[number(6)], port: UInt16(1 + number(3)),
                            txt: TXTRecord([Array("k=\(number(3))".utf8)])))
                    catalogue.resolve(item, resolution)
                    if let index { said[index].resolution = resolution }
                case 5:
                    catalogue.withdraw(item)
                    if let index { said.remove(at: index) }
                case 6 where number(4) == 0:
                    catalogue.beginListing()
                    for index in said.indices { said[index].isOld = true }
                case 7 where number(4) == 0:
                    #expect(Set(catalogue.endListing()) == Set(said.filter(\.isOld).map(\.item)))
                    said.removeAll(where: \.isOld)
                default: break
                }
                #expect(catalogue.services == Self.services(said))
            }
        }
    }

    /// A flood of names on few interfaces, in a catalogue with few places. Some names are known, and others later.
    @Test mutating func floods() throws {
        final class Names { var known: Set<Int> = [] }
        for _ in 0..<20 {
            let names = Names()
            names.known = Set((0..<3).map { _ in number(40) })
            let (most, mostUnresolved) = (1 + number(8), 1 + number(8))
            var catalogue = ServiceCatalogue(maxServices: most, maxUnresolved: mostUnresolved) { name in
                Int(name.dropFirst()).map(names.known.contains) ?? false
            }
            /// The items that the catalogue took, less the withdrawn and the lost ones.
            var held: [ServiceItem: Resolution?] = [:]
            var isPassedOver = false
            for _ in 0..<300 {
                let name = number(40)
                // The spelling changes, the name does not.
                let item = ServiceItem(
                    ServiceKey(name: number(2) == 0 ? "n\(name)" : "N\(name)", type: "_t._tcp", domain: "local"),
                    interface: Int32(1 + number(3)), transport: Int32(number(2)))
                switch number(10) {
                case 0...4:
                    switch catalogue.announce(item, interfaceName: "if\(item.interface)") {
                    case .new: #expect(held.updateValue(nil, forKey: item) == nil)
                    case .known: #expect(held[item] != nil)
                    case .refused:
                        #expect(!names.known.contains(name))
                        isPassedOver = true
                    }
                case 5...6:
                    let resolution = try #require(
                        Resolution(
                            host: "h\(number(2))", address: Self.addresses[number(6)], port: 1, txt: TXTRecord()))
                    if held[item] != nil { held[item] = .some(resolution) }
                    catalogue.resolve(item, resolution)
                case 7: catalogue.fail(item)
                case 8:
                    held[item] = nil
                    catalogue.withdraw(item)
                default:
                    if number(5) == 0 { names.known = Set((0..<3).map { _ in number(40) }) }
                    if number(5) == 0 {
                        catalogue.review()
                    } else if number(20) == 0 {
                        isPassedOver = false
                        catalogue.beginListing()
                    }
                }
                for lost in catalogue.takeLost() {
                    #expect(Int(lost.service.name.dropFirst()).map(names.known.contains) == false)
                    // It may be the item of this step.
                    held[lost] = nil
                    isPassedOver = true
                }
                #expect((catalogue.overflow > 0) == isPassedOver)
                check(catalogue, held, most, mostUnresolved)
            }
        }
    }

    private func check(
        _ catalogue: ServiceCatalogue, _ held: [ServiceItem: Resolution?], _ most: Int, _ mostUnresolved: Int
    ) {
        #expect(held.keys.allSatisfy(catalogue.contains))
        #expect(Set(catalogue.services.map(\.key)) == Set(held.keys.map(\.service)))
        #expect(
            catalogue.services.filter(\.isResolved).map(\.key)
                == Set(held.filter { $0.value != nil }.keys.map(\.service)).sorted())
        // Three known names on three interfaces, and as many that were known.
        #expect(catalogue.count <= most + mostUnresolved + 40)
        let counts = catalogue.placeCounts
        #expect(counts.resolved <= most && counts.unresolved <= mostUnresolved)
        let sightings = Set(held.keys.map { [$0.service.name.lowercased(), "\($0.interface)"] })
        #expect(counts.known + counts.resolved + counts.unresolved == sightings.count)
    }
}
