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

    @Test func eachHostOnEachInterfaceIsAClaim() throws {
        var catalogue = ServiceCatalogue()
        let txt = TXTRecord([Array("k=v".utf8)])
        let words: [(interface: Int32, transport: Int32, name: String, place: Resolution, isLocal: Bool)] = [
            (3, 1, "eth0", try place("2001:db8::7", host: "mio04-1.LOCAL."), false),
            (3, 0, "eth0", try place("192.0.2.7", txt: txt), false),
            (2, 0, "wlan0", try place("198.51.100.7"), false),
            (4, 0, "wlan1", try place("203.0.113.7", host: "other.local"), false),
        ]
        for word in words {
            let item = ServiceItem(com1, interface: word.interface, transport: word.transport)
            _ = catalogue.announce(item, interfaceName: word.name, isLocal: word.isLocal)
            catalogue.resolve(item, word.place)
        }
        let service = try #require(catalogue.services.first)
        #expect(
            service.claims == [
                ServiceClaim(
                    host: "MIO04-1.local", interface: "eth0", isLocal: false,
                    endpoints: [
                        Endpoint(host: "192.0.2.7", port: 10000), Endpoint(host: "2001:db8::7", port: 10000),
                    ], txt: txt),
                ServiceClaim(
                    host: "MIO04-1.local", interface: "wlan0", isLocal: false,
                    endpoints: [Endpoint(host: "198.51.100.7", port: 10000)]),
                ServiceClaim(
                    host: "other.local", interface: "wlan1", isLocal: false,
                    endpoints: [Endpoint(host: "203.0.113.7", port: 10000)]),
            ])
        #expect(service.addresses == ["198.51.100.7", "192.0.2.7", "2001:db8::7"])
    }

    /// A user of this machine cannot make the claim of a host of the network a local one, nor add to it.
    @Test func whatThisMachineAnnouncesIsAClaimOfItsOwn() throws {
        var catalogue = ServiceCatalogue()
        let (v4, v6) = (item("a", transport: 0), item("a", transport: 1))
        _ = catalogue.announce(v4, interfaceName: "eth0", isLocal: true)
        catalogue.resolve(v4, try place("192.0.2.66"))
        _ = catalogue.announce(v6, interfaceName: "eth0", isLocal: false)
        catalogue.resolve(v6, try place("2001:db8::7"))
        let claims = try #require(catalogue.services.first).claims
        #expect(claims.map(\.isLocal) == [false, true])
        #expect(claims.map { $0.endpoints.map(\.host) } == [["2001:db8::7"], ["192.0.2.66"]])
        _ = catalogue.announce(v4, interfaceName: "eth0", isLocal: false)
        #expect(catalogue.services.first?.claims.map(\.isLocal) == [false])
    }

    @Test func namesAreComparedAsDNSDoes() throws {
        var catalogue = ServiceCatalogue()
        let other = ServiceKey(name: "mio04-1-COM1", type: "_TTYNVT._tcp", domain: "LOCAL.")
        #expect(other == com1 && Set([com1, other]).count == 1 && !(com1 < other) && !(other < com1))
        #expect(catalogue.announce(ServiceItem(com1, interface: 2, transport: 0), interfaceName: "eth0") == .new)
        #expect(catalogue.announce(ServiceItem(other, interface: 2, transport: 0), interfaceName: "eth0") == .known)
        let v6 = ServiceItem(other, interface: 2, transport: 1)
        #expect(catalogue.announce(v6, interfaceName: "eth0") == .new)
        catalogue.resolve(v6, try place("fe80::1"))
        catalogue.withdraw(ServiceItem(com1, interface: 2, transport: 0))
        #expect(catalogue.services.map(\.name) == ["MIO04-1-com1"])
        #expect(catalogue.services.first?.type == "_ttynvt._tcp")
        catalogue.withdraw(ServiceItem(com1, interface: 2, transport: 1))
        #expect(catalogue.count == 0)
        // Only ASCII letters have no case, one text in two forms is two names, and a label may end with a dot.
        for (a, b) in [("\u{E4}", "\u{C4}"), ("\u{E4}", "a\u{308}"), ("k", "\u{212A}"), ("a", "a.")] {
            #expect(
                ServiceKey(name: a, type: "_t._tcp", domain: "local")
                    != ServiceKey(name: b, type: "_t._tcp", domain: "local"), "\(a) \(b)")
        }
    }

    @Test func unresolvedNamesTakeNoPlacesFromOthers() throws {
        var catalogue = ServiceCatalogue(maxServices: 3, maxUnresolved: 4)
        for index in 0..<100 { _ = catalogue.announce(item("bare\(index)"), interfaceName: "eth0") }
        #expect(catalogue.count == 4)
        #expect(catalogue.overflow == 96)
        // A name on another interface gets a place, from the one that has most; its newest name goes.
        let mine = item("mine", interface: 3)
        #expect(catalogue.announce(mine, interfaceName: "eth1") == .new)
        #expect(catalogue.takeLost() == [item("bare3")])
        catalogue.resolve(mine, try place("192.0.2.7"))
        #expect(catalogue.services.filter(\.isResolved).map(\.name) == ["mine"])
        #expect(catalogue.overflow == 97)
    }

    @Test func oneInterfaceDoesNotStarveAnother() throws {
        var catalogue = ServiceCatalogue(maxServices: 4, maxUnresolved: 4)
        for index in 0..<4 {
            _ = catalogue.announce(item("a\(index)"), interfaceName: "eth0")
            catalogue.resolve(item("a\(index)"), try place("192.0.2.7"))
        }
        for index in 0..<4 {
            let newcomer = item("b\(index)", interface: 3)
            #expect(catalogue.announce(newcomer, interfaceName: "eth1") == .new)
            catalogue.resolve(newcomer, try place("198.51.100.7"))
        }
        // The newest of eth0 went for the first of eth1; past the equal shares, the newcomers themselves.
        #expect(catalogue.services.map(\.name) == ["a0", "a1", "b0", "b1"])
        #expect(catalogue.overflow == 4)
        #expect(catalogue.takeLost().map(\.service.name) == ["a3", "a2", "b2", "b3"])
    }

    @Test func knownNamesAlwaysFit() throws {
        var catalogue = ServiceCatalogue(maxServices: 2, maxUnresolved: 2) { $0.lowercased().hasPrefix("known") }
        for index in 0..<10 {
            _ = catalogue.announce(item("bare\(index)"), interfaceName: "eth0")
            _ = catalogue.announce(item("full\(index)", interface: 3), interfaceName: "eth1")
            catalogue.resolve(item("full\(index)", interface: 3), try place("192.0.2.7"))
        }
        for index in 0..<50 {
            let known = item(index % 2 == 0 ? "known\(index)" : "KNOWN\(index)")
            #expect(catalogue.announce(known, interfaceName: "eth0") == .new)
            if index % 3 == 0 { catalogue.resolve(known, try place("192.0.2.8")) }
            catalogue.fail(known)
        }
        _ = catalogue.announce(item("bare99"), interfaceName: "eth0")
        #expect(catalogue.services.count { $0.name.lowercased().hasPrefix("known") } == 50)
        #expect(!catalogue.takeLost().contains { $0.service.name.lowercased().hasPrefix("known") })
    }

    /// A name that has become known is not what goes.
    @Test func aNameBecomesKnown() throws {
        final class Names { var known: Set<String> = [] }
        let names = Names()
        var catalogue = ServiceCatalogue(maxServices: 2, maxUnresolved: 2) { names.known.contains($0) }
        for name in ["a", "b"] {
            _ = catalogue.announce(item(name), interfaceName: "eth0")
            catalogue.resolve(item(name), try place("192.0.2.7"))
        }
        names.known = ["b"]
        let other = item("c", interface: 3)
        _ = catalogue.announce(other, interfaceName: "eth1")
        catalogue.resolve(other, try place("192.0.2.9"))
        #expect(catalogue.services.map(\.name) == ["a", "b", "c"])
        #expect(catalogue.overflow == 0)
        // Forgotten again: it is a stranger among two others, and one too many.
        names.known = []
        catalogue.review()
        #expect(catalogue.count == 2)
        #expect(catalogue.takeLost().count == 1 && catalogue.overflow == 1)
    }

    @Test func whatCouldNotBeResolvedMakesRoom() throws {
        var catalogue = ServiceCatalogue(maxServices: 4, maxUnresolved: 3)
        for name in ["a", "b", "c"] { _ = catalogue.announce(item(name), interfaceName: "eth0") }
        #expect(catalogue.announce(item("d"), interfaceName: "eth0") == .refused)
        catalogue.fail(item("b"))
        for _ in 0..<3 { catalogue.fail(item("c")) }
        // Without need it stays, whatever it failed: it may be resolved yet.
        #expect(catalogue.services.map(\.name) == ["a", "b", "c"])
        #expect(catalogue.announce(item("d"), interfaceName: "eth0") == .new)
        #expect(catalogue.announce(item("e"), interfaceName: "eth0") == .new)
        #expect(catalogue.takeLost() == [item("c"), item("b")])
        #expect(catalogue.announce(item("f"), interfaceName: "eth0") == .refused)
        #expect(catalogue.overflow == 4)
        // One that fails on an interface with fewer places is not for a newcomer elsewhere to take.
        catalogue.withdraw(item("e"))
        let other = item("o", interface: 3)
        #expect(catalogue.announce(other, interfaceName: "eth1") == .new)
        catalogue.fail(other)
        #expect(catalogue.announce(item("g"), interfaceName: "eth0") == .refused)
        #expect(catalogue.contains(other))
    }

    @Test func whatIsNotWantedAnyLongerGoes() {
        var catalogue = ServiceCatalogue()
        for name in ["a", "b"] {
            for interface in 2...3 {
                _ = catalogue.announce(
                    item(name, interface: Int32(interface)), interfaceName: "eth\(interface)")
            }
        }
        let gone = catalogue.withdraw { name, interface in name == "a" || interface == "eth3" }
        #expect(Set(gone) == [item("a"), item("a", interface: 3), item("b", interface: 3)])
        #expect(catalogue.services.map(\.interfaces) == [["eth2"]] && catalogue.overflow == 0)
    }

    @Test func aWithdrawalTakesNothingFromTheOverflow() {
        var catalogue = ServiceCatalogue(maxServices: 1, maxUnresolved: 1)
        for name in ["a", "b"] { _ = catalogue.announce(item(name), interfaceName: "eth0") }
        #expect(catalogue.overflow == 1)
        for name in ["b", "never", "a"] { catalogue.withdraw(item(name)) }
        #expect(catalogue.overflow == 1)
        catalogue.beginListing()
        #expect(catalogue.overflow == 0)
    }

    @Test func whatIsTooLongIsNoName() {
        var catalogue = ServiceCatalogue { _ in true }
        let long = String(repeating: "x", count: ServiceCatalogue.longestName + 1)
        #expect(catalogue.announce(item(long), interfaceName: "eth0") == .refused)
        for transport in 0..<20 {
            _ = catalogue.announce(item("a", transport: Int32(transport)), interfaceName: "eth0")
        }
        #expect(catalogue.overflow == 20 - ServiceCatalogue.mostTransports)
        #expect(Resolution(host: long + long + long + long, address: "192.0.2.1", port: 1, txt: TXTRecord()) == nil)
        #expect(Resolution(host: "", address: "192.0.2.1", port: 1, txt: TXTRecord()) == nil)
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
