import Discovery
import SerialLine
import TestSupport
import Testing

/// The catalogue against a plain list of what was said, in random orders.
struct CatalogueModelTests {
    private struct Said {
        let item: ServiceItem
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
                    let new = catalogue.announce(item, interfaceName: "if\(item.interface)")
                    #expect(new == (index == nil ? .new : .known))
                    if let index { said[index].isOld = false } else { said.append(Said(item: item)) }
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
}
