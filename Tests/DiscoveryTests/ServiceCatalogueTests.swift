import Discovery
import SerialLine
import Testing

struct ServiceCatalogueTests {
    private let com1 = ServiceKey(name: "MIO04-1-com1", type: "_ttynvt._tcp", domain: "local")

    private func item(_ name: String, interface: Int32 = 2, transport: Int32 = 0) -> ServiceItem {
        ServiceItem(
            ServiceKey(name: name, type: "_ttynvt._tcp", domain: "local"), interface: interface, transport: transport)
    }

    private func place(
        _ address: String, port: UInt16 = 10000, host: String = "MIO04-1.local", txt: TXTRecord = TXTRecord()
    ) throws -> Resolution {
        try #require(Resolution(host: host, address: address, port: port, txt: txt))
    }

    @Test func allPlacesOfAServiceAreOne() throws {
        var catalogue = ServiceCatalogue()
        let v6 = ServiceItem(com1, interface: 2, transport: 1)
        let v4 = ServiceItem(com1, interface: 2, transport: 0)
        #expect(catalogue.announce(v6, interfaceName: "eth0") == .new)
        #expect(catalogue.services.first?.isResolved == false)
        catalogue.resolve(v6, try place("fe80::1"))
        #expect(catalogue.services.first?.endpoints == [Endpoint(host: "fe80::1%eth0", port: 10000)])
        #expect(catalogue.announce(v4, interfaceName: "eth0") == .new)
        catalogue.resolve(v4, try place("192.0.2.7"))
        #expect(catalogue.services.count == 1)
        #expect(catalogue.services.first?.addresses == ["192.0.2.7", "fe80::1%eth0"])
        #expect(catalogue.services.first?.interfaces == ["eth0"])
        #expect(catalogue.announce(v4, interfaceName: "eth0") == .known)
    }

    @Test func addressesInTheOrderToTry() throws {
        var catalogue = ServiceCatalogue()
        let addresses = ["fe80::1", "2001:db8::1", "169.254.1.1", "192.0.2.7", "febf::1", "fec0::1"]
        for (index, address) in addresses.enumerated() {
            let item = ServiceItem(com1, interface: Int32(index + 1), transport: address.contains(":") ? 1 : 0)
            _ = catalogue.announce(item, interfaceName: "eth\(index)")
            catalogue.resolve(item, try place(address))
        }
        #expect(
            catalogue.services.first?.addresses
                == ["192.0.2.7", "169.254.1.1", "2001:db8::1", "fec0::1", "fe80::1%eth0", "febf::1%eth4"])
    }

    @Test func oneInterfaceGoesAndTheOtherStays() throws {
        var catalogue = ServiceCatalogue()
        let eth0 = item("a", interface: 2)
        let eth1 = item("a", interface: 3)
        for (item, name) in [(eth0, "eth0"), (eth1, "eth1")] { _ = catalogue.announce(item, interfaceName: name) }
        catalogue.resolve(eth0, try place("192.0.2.7"))
        catalogue.resolve(eth1, try place("198.51.100.7"))
        catalogue.withdraw(eth0)
        #expect(catalogue.services.first?.addresses == ["198.51.100.7"])
        #expect(catalogue.services.first?.interfaces == ["eth1"])
        catalogue.withdraw(eth1)
        #expect(catalogue.services.isEmpty)
        #expect(catalogue.count == 0)
    }

    @Test func eachPlaceHasItsOwnPort() throws {
        var catalogue = ServiceCatalogue()
        let eth0 = item("a", interface: 2)
        let eth1 = item("a", interface: 3)
        for (item, name) in [(eth1, "eth1"), (eth0, "eth0")] { _ = catalogue.announce(item, interfaceName: name) }
        catalogue.resolve(eth0, try place("192.0.2.7", port: 10000))
        catalogue.resolve(eth1, try place("198.51.100.7", port: 10000))
        catalogue.resolve(eth1, try place("198.51.100.7", port: 10001))
        #expect(catalogue.services.first?.port == 10000)
        #expect(catalogue.services.first?.endpoints.map(\.description) == ["192.0.2.7:10000", "198.51.100.7:10001"])
        catalogue.resolve(eth0, try place("192.0.2.7", port: 10001))
        #expect(catalogue.services.first?.endpoints.map(\.port) == [10001, 10001])
    }

    @Test func twoHostsOfOneNameAreNotMixed() throws {
        var catalogue = ServiceCatalogue()
        let eth0 = item("a", interface: 2)
        let eth1 = item("a", interface: 3)
        for (item, name) in [(eth1, "eth1"), (eth0, "eth0")] { _ = catalogue.announce(item, interfaceName: name) }
        catalogue.resolve(eth1, try place("198.51.100.7", host: "other.local"))
        #expect(catalogue.services.first?.host == "other.local")
        catalogue.resolve(eth0, try place("192.0.2.7", host: "one.local"))
        #expect(catalogue.services.first?.host == "one.local")
        #expect(catalogue.services.first?.addresses == ["192.0.2.7"])
    }

    @Test func whatIsNotListedAnewIsGoneWhenTheListingEnds() throws {
        var catalogue = ServiceCatalogue()
        for name in ["a", "b"] {
            _ = catalogue.announce(item(name), interfaceName: "eth0")
            catalogue.resolve(item(name), try place("192.0.2.7"))
        }
        let before = catalogue.services
        catalogue.beginListing()
        #expect(catalogue.services == before)
        #expect(catalogue.announce(item("b"), interfaceName: "eth0") == .known)
        #expect(catalogue.services == before)
        #expect(catalogue.endListing() == [item("a")])
        #expect(catalogue.services.map(\.name) == ["b"])
    }

    @Test func itIsBounded() {
        var catalogue = ServiceCatalogue(maxServices: 3)
        for name in ["a", "b", "c"] { #expect(catalogue.announce(item(name), interfaceName: "eth0") == .new) }
        #expect(catalogue.announce(item("d"), interfaceName: "eth0") == .refused)
        for interface in 3..<20 { _ = catalogue.announce(item("a", interface: Int32(interface)), interfaceName: "x") }
        #expect(catalogue.services.map(\.name) == ["a", "b", "c"])
        #expect(catalogue.overflow == 1 + 17 - (ServiceCatalogue.mostItems - 1))
        catalogue.withdraw(item("d"))
        #expect(catalogue.overflow == 17 - (ServiceCatalogue.mostItems - 1))
        catalogue.withdraw(item("b"))
        #expect(catalogue.announce(item("d"), interfaceName: "eth0") == .new)
        let long = String(repeating: "x", count: ServiceCatalogue.longestName + 1)
        catalogue.withdraw(item("d"))
        #expect(catalogue.announce(item(long), interfaceName: "eth0") == .refused)
    }

    @Test func whatIsNoPlaceIsNone() {
        for (address, port) in [
            ("192.0.2.7", 0), ("", 1), ("host", 1), ("192.0.2", 1), ("192.0.2.256", 1), ("192.0.2.+7", 1),
            ("192.0.2.7.", 1), ("fe80::1%eth0", 1), ("::1]:80,[", 1), ("192.0.2.7:1", 0), ("1.2.3.4,5.6.7.8", 1),
            (String(repeating: "1:", count: 30), 1),
        ] as [(String, UInt16)] {
            #expect(Resolution(host: "h", address: address, port: port, txt: TXTRecord()) == nil, "\(address)")
        }
    }
}
