import PortPlan
import SerialLine
import Testing

extension NetworkView {
    /// Two interfaces with a network of documentation addresses each.
    static var lab: NetworkView {
        var view = NetworkView()
        for (interface, address, prefix) in [
            ("lo", "127.0.0.1", 8), ("lo", "::1", 128), ("eth0", "192.0.2.100", 24), ("eth0", "2001:db8::100", 64),
            ("eth0", "fe80::100", 64), ("eth1", "198.51.100.100", 24),
        ] {
            if let address = IPAddress(address) { view.add(address, prefix: prefix, interface: interface) }
        }
        return view
    }
}

/// A planner, the announcements that it hears, and the time.
struct PlannerBench {
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var planner: Planner
    var announcements: [Announcement] = []

    init(_ text: String = "", networks: NetworkView = .lab) {
        let (configuration, errors) = ConfigurationParser.parse(text) { _, _ in nil }
        #expect(errors == [])
        planner = Planner(configuration, minors: MinorTable(), isTaken: { _, _ in false })
        planner.unixTime = 1_700_000_000
        planner.setNetworks(networks, now)
    }

    static func claim(
        _ host: String, _ addresses: [String], on interface: String = "eth0", port: UInt16 = 10000,
        isLocal: Bool = false, security: String? = nil
    ) -> Announcement.Claim {
        Announcement.Claim(
            host: host, interface: interface, isLocal: isLocal,
            endpoints: addresses.map { Endpoint(host: $0, port: port) }, security: security)
    }

    /// Announces a name with these claims from now on; without any claim, withdraws it.
    mutating func announce(
        _ name: String, _ claims: [Announcement.Claim], type: String = "_ttynvt._tcp", isComplete: Bool = true
    ) {
        announcements.removeAll { $0.name == name && $0.type == type }
        if !claims.isEmpty {
            announcements.append(Announcement(name: name, type: type, domain: "local", claims: claims))
        }
        planner.update(announcements, isComplete: isComplete, now)
    }

    /// Time passes, and the planner is called when it asks to be.
    mutating func pass(_ time: UInt64) {
        let end = now + time
        while let next = planner.nextDeadline(now), next < end {
            #expect(next > now, "a deadline in the past")
            now = max(next, now + 1)
            planner.advance(now)
        }
        now = end
        planner.advance(now)
    }

    mutating func configure(_ text: String) {
        let (configuration, errors) = ConfigurationParser.parse(text) { _, _ in nil }
        #expect(errors == [])
        planner.configure(configuration, now)
    }

    mutating func observe(_ name: String, _ health: PortHealth) throws {
        planner.observe(try DeviceName(port: name), health, now)
        planner.advance(now)
    }

    /// The servers of a port; nil if it is unwanted.
    func servers(_ name: String) -> [String]? {
        planner.wanted.first { $0.name.port == name }?.servers.map(\.description)
    }

    var wanted: [String] { planner.wanted.map(\.name.port) }
}

@Suite struct TrustTests {
    private typealias Bench = PlannerBench
    private static let address = "192.0.2.1:10000"

    /// A port of `module.local` that has been there for two minutes.
    private func bench(_ text: String = "") -> PlannerBench {
        var bench = PlannerBench(text)
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(120))
        #expect(bench.servers("a") == [Self.address])
        return bench
    }

    private func restarted(_ old: PlannerBench, _ text: String = "") -> PlannerBench {
        var bench = PlannerBench(text)
        for (name, record) in old.planner.remembered { bench.planner.remember(name, record) }
        bench.now = old.now
        return bench
    }

    // Another host.

    @Test func anotherHostNeverTakesTheName() throws {
        var bench = bench()
        let claims = [
            Bench.claim("evil.local", ["192.0.2.66"]), Bench.claim("module.local", ["192.0.2.1"]),
            Bench.claim("evil.local", ["198.51.100.66"], on: "eth1"),
        ]
        bench.announce("a", claims)
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address])
        #expect(
            bench.planner.contested == [
                Contest(
                    name: try DeviceName(port: "a"), owner: try #require(HostName("module.local")),
                    claimant: try #require(HostName("evil.local")),
                    addresses: [Endpoint(host: "192.0.2.66", port: 10000)], interface: "eth0")
            ])
        #expect(
            bench.planner.notes == [
                "'a' belongs to module.local, and evil.local also announces it (eth0, 192.0.2.66:10000): "
                    + "run 'ttynvt-swift accept a' to give it to evil.local"
            ])
        // Nor when the owner is gone, nor after the next start.
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
        var next = restarted(bench)
        next.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])])
        next.pass(.seconds(1000))
        #expect(next.servers("a") == nil)
        next.announce("a", [Bench.claim("evil.local", ["192.0.2.66"]), Bench.claim("MODULE.local.", ["192.0.2.1"])])
        #expect(next.servers("a") == [Self.address])
    }

    /// Who was there for less than a minute is a stranger as well.
    @Test func strangersAreForgotten() {
        var bench = PlannerBench()
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])])
        bench.pass(.seconds(50))
        bench.announce("a", [])
        bench.pass(.seconds(10))
        #expect(bench.planner.remembered.isEmpty)
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        #expect(bench.servers("a") == [Self.address])
    }

    @Test func remembersAfterAMinute() throws {
        let record = try #require(bench().planner.remembered[try DeviceName(port: "a")])
        #expect(
            record
                == RememberedPort(
                    host: try #require(HostName("module.local")), interfaces: ["eth0"], subnets: ["192.0.2.0/24"],
                    addresses: [Endpoint(host: "192.0.2.1", port: 10000)], firstSeen: 1_700_000_000))
    }

    /// Many strangers push out each other, and no name that was there before them.
    @Test func aFullBook() throws {
        var bench = PlannerBench()
        let host = try #require(HostName("module.local"))
        for index in 0..<5000 {
            let record = RememberedPort(
                host: host, interfaces: [], subnets: [], addresses: [], firstSeen: UInt64(index))
            bench.planner.remember(try DeviceName(port: "p\(index)x"), record)
        }
        #expect(bench.planner.remembered.count == 4096)
        for index in 0..<4095 { #expect(bench.planner.remembered[try DeviceName(port: "p\(index)x")] != nil) }
        let isKnown = bench.planner.knows("P17X")
        let isStrange = bench.planner.knows("q")
        #expect(isKnown && !isStrange)
    }

    @Test func accept() throws {
        var bench = bench()
        let name = try DeviceName(port: "a")
        let said1 = bench.planner.accept(name, bench.now)
        #expect(said1 == .notContested)
        bench.announce(
            "a",
            [
                Bench.claim("module.local", ["192.0.2.1"]), Bench.claim("new.local", ["192.0.2.5"]),
                Bench.claim("evil.local", ["192.0.2.66"]),
            ])
        let (new, evil) = (try #require(HostName("new.local")), try #require(HostName("evil.local")))
        let said2 = bench.planner.accept(name, bench.now)
        #expect(said2 == .severalClaimants([new, evil]))
        let said3 = bench.planner.accept(name, host: new, bench.now)
        #expect(said3 == .accepted(new))
        #expect(bench.servers("a") == ["192.0.2.5:10000"])
        #expect(bench.planner.remembered[name]?.host == new)
        #expect(Set(bench.planner.contested.map(\.claimant.description)) == ["module.local", "evil.local"])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == ["192.0.2.5:10000"])
    }

    /// A name without a host at the moment can be given away as well.
    @Test func acceptOfAnAbsentName() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("new.local", ["192.0.2.5"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address])
        let new = try #require(HostName("new.local"))
        let said4 = bench.planner.accept(try DeviceName(port: "a"), bench.now)
        #expect(said4 == .accepted(new))
        #expect(bench.servers("a") == ["192.0.2.5:10000"])
    }

    @Test func forget() throws {
        var bench = bench()
        let name = try DeviceName(port: "a")
        bench.announce("a", [])
        bench.pass(.seconds(100))
        let said5 = bench.planner.forget(name, bench.now)
        #expect(said5)
        let again = bench.planner.forget(name, bench.now)
        #expect(!again)
        bench.announce("a", [Bench.claim("new.local", ["192.0.2.5"])])
        bench.pass(.seconds(1))
        #expect(bench.servers("a") == ["192.0.2.5:10000"])
    }

    /// On one link Avahi shows one host of a name: the port of a hidden owner stays, also one that is not remembered yet.
    @Test func anotherHostHidesTheOwner() throws {
        var bench = Bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        bench.announcements = []
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
        #expect(bench.planner.contested.map(\.claimant.description) == ["evil.local"])
        bench.announcements = []
        bench.announce("a", [])
        bench.pass(.seconds(6))
        #expect(bench.servers("a") == nil)
    }

    /// A forgotten name goes to the next host, also if the one that had it is still heard for a moment, or hidden.
    @Test(arguments: [false, true]) func forgetOfAHiddenName(_ isHidden: Bool) throws {
        var bench = Bench()
        bench.announce("a", [Bench.claim("old.local", ["192.0.2.66"])])
        bench.pass(.seconds(100))
        if isHidden { bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])]) }
        bench.pass(.seconds(10))
        #expect(bench.servers("a")?.first == "192.0.2.66:10000")
        let isKnown = bench.planner.forget(try DeviceName(port: "a"), bench.now)
        #expect(isKnown)
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(10))
        #expect(bench.servers("a") == [Self.address])
    }

    /// A port that goes before its name is remembered, and is announced again in other letters, has its old device.
    @Test func theSpellingGoesWithTheNumber() throws {
        var bench = Bench()
        bench.announce("a-b", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        bench.announcements = []
        bench.announce("other", [])
        bench.pass(.seconds(10))
        #expect(bench.servers("a-b") == nil)
        bench.announce("A-B", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        #expect(bench.planner.wanted.map(\.name.port) == ["a-b"])
    }

    /// A name whose host cannot be resolved any more is still announced.
    @Test func anUnresolvedHost() throws {
        var bench = Bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        bench.announce("a", [.init(host: "", interface: "eth0", endpoints: [])])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
    }

    /// 5,000 strangers come and go while a remembered port is away: it has its number when it is back.
    @Test func strangersTakeNoNumberOfARememberedPort() throws {
        var bench = bench()
        let name = try DeviceName(port: "a")
        let number = try #require(bench.planner.minors[name])
        bench.announcements = []
        bench.announce("a", [])
        bench.pass(.seconds(10))
        #expect(bench.servers("a") == nil)
        for number in 0..<5000 {
            bench.announcements = []
            bench.announce("stranger-\(number)", [Bench.claim("h\(number).local", ["192.0.2.66"])])
            bench.pass(.seconds(3))
        }
        #expect(bench.planner.minors[name] == number)
    }

    /// Two modules have exchanged their addresses: no port moves by itself, and the operator can let them.
    @Test func swappedAddresses() throws {
        var bench = bench()
        bench.announce("b", [Bench.claim("second.local", ["192.0.2.2"])])
        bench.pass(.seconds(100))
        bench.announcements = []
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.2"])])
        bench.announce("b", [Bench.claim("second.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a")?.first == Self.address)
        #expect(
            bench.planner.notes.first
                == "'a' remains at 192.0.2.1:10000, but second.local now announces that address for 'b', and "
                + "module.local announces 192.0.2.2:10000: if the hosts have exchanged addresses, "
                + "run 'ttynvt-swift forget a' to let it follow"
        )
        let isForgotten = bench.planner.forget(try DeviceName(port: "a"), bench.now)
        #expect(isForgotten)
        #expect(bench.servers("a") == ["192.0.2.2:10000"])
    }

    /// Forgetting a port that is there leaves it running.
    @Test func forgetOfARunningPort() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("aaa.local", ["192.0.2.66"]), Bench.claim("module.local", ["192.0.2.1"])])
        let said6 = bench.planner.forget(try DeviceName(port: "a"), bench.now)
        #expect(said6)
        #expect(bench.servers("a") == [Self.address])
    }

    // The host's other addresses.

    /// An address with the cache-flush bit, or a new one by DHCP: they look alike.
    @Test func anotherAddressOfTheSameHost() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.66"])])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address, "192.0.2.66:10000"], "not opened: the old one is tried first")
        try bench.observe("a", .connected(to: Self.address))
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address], "connected: not moved")
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.milliseconds(4900))
        #expect(bench.servers("a") == [Self.address], "not at the first failure")
        bench.pass(.milliseconds(200))
        #expect(bench.servers("a") == [Self.address, "192.0.2.66:10000"], "behind the old one")
        try bench.observe("a", .connected(to: "192.0.2.66:10000"))
        bench.pass(.seconds(10))
        #expect(bench.servers("a") == ["192.0.2.66:10000"])
    }

    /// The candidate is tried, and the old address answers again.
    @Test func theOldAddressIsBack() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.66"])])
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.seconds(6))
        #expect(bench.servers("a")?.count == 2)
        try bench.observe("a", .connected(to: Self.address))
        #expect(bench.servers("a") == [Self.address])
    }

    /// A program that tries for three seconds each time gets there, too.
    @Test func failuresAddUp() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1", "192.0.2.66"])])
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.seconds(3))
        try bench.observe("a", .idle)
        bench.pass(.seconds(1000))
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.milliseconds(1900))
        #expect(bench.servers("a") == [Self.address])
        bench.pass(.milliseconds(200))
        #expect(bench.servers("a")?.count == 2)
    }

    /// A USB module is replugged: its address is one of another network, on another interface.
    @Test func anotherInterface() throws {
        var bench = bench()
        bench.announce("a", [Bench.claim("module.local", ["198.51.100.7"], on: "eth1")])
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.seconds(6))
        #expect(bench.servers("a") == [Self.address, "198.51.100.7:10000"])
    }

    /// The server was started anew on another port: open or not, that one is tried behind the old one.
    @Test(arguments: [false, true])
    func anotherPortNumber(_ isOpen: Bool) throws {
        var bench = bench()
        let new = Bench.claim("module.local", ["192.0.2.1"], port: 10010)
        bench.announce("a", [new, Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address], "while the old one is announced nothing moves")
        if isOpen { try bench.observe("a", .failing(since: bench.now)) }
        bench.announce("a", [new])
        bench.pass(.milliseconds(4900))
        #expect(bench.servers("a") == [Self.address])
        bench.pass(.milliseconds(200))
        #expect(bench.servers("a") == [Self.address, "192.0.2.1:10010"], "the old one first")
        try bench.observe("a", .connected(to: "192.0.2.1:10010"))
        bench.pass(.seconds(6))
        #expect(bench.servers("a") == ["192.0.2.1:10010"])
    }

    @Test func aConnectedPortKeepsItsPortNumber() throws {
        var bench = bench()
        try bench.observe("a", .connected(to: Self.address))
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"], port: 22)])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
    }

    /// A goodbye for a port that is connected says nothing.
    @Test func goodbyeOfAConnectedPort() throws {
        var bench = bench()
        try bench.observe("a", .connected(to: Self.address))
        bench.announce("a", [])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
        try bench.observe("a", .idle)
        bench.pass(.milliseconds(1))
        #expect(bench.servers("a") == nil, "the grace was over")
        #expect(bench.planner.remembered.count == 1)
    }

    /// The last address is tried first, after a start as well.
    @Test func rememberedAddress() throws {
        var bench = restarted(bench())
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.66"])])
        #expect(bench.servers("a") == [Self.address])
        try bench.observe("a", .failing(since: bench.now))
        bench.pass(.seconds(6))
        #expect(bench.servers("a") == [Self.address, "192.0.2.66:10000"])
    }

    /// A new supervisor finds candidates among a port's servers: the one that connects comes first all the same.
    @Test func theReachedOneIsFirst() throws {
        var bench = PlannerBench()
        let servers = ["192.0.2.1", "192.0.2.66", "192.0.2.2"].map { Endpoint(host: $0, port: 10000) }
        bench.planner.remember(try DeviceName(port: "a"), servers, bench.now)
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.66", "192.0.2.2"])])
        try bench.observe("a", .connected(to: "192.0.2.2:10000"))
        bench.pass(.seconds(10))
        #expect(bench.servers("a") == ["192.0.2.2:10000", "192.0.2.66:10000"])
    }

    // TXT records and spellings.

    @Test func aTXTChangeNeverRetires() {
        var bench = bench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"], security: "yes")])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == [Self.address])
        #expect(
            bench.planner.notes == [
                "ignoring 'a' (_ttynvt._tcp): it requires security=yes, which RFC 2217 cannot provide; "
                    + "the port keeps running"
            ])
    }

    @Test func otherCaseIsTheSameName() {
        var bench = bench()
        bench.announce("a", [])
        bench.announce("A", [Bench.claim("evil.local", ["192.0.2.66"])])
        bench.pass(.seconds(2))
        #expect(bench.wanted == ["a"])
        #expect(bench.planner.contested.count == 1)
        bench.announce("A", [Bench.claim("Module.Local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        #expect(bench.wanted == ["a"])
    }

    /// To Swift the Kelvin sign is a K; to DNS it is not.
    @Test func lookalikes() {
        var bench = PlannerBench()
        bench.announce("K", [Bench.claim("k.local", ["192.0.2.1"])])
        bench.announcements.append(
            Announcement(
                name: "\u{212A}", type: "_ttynvt._tcp", domain: "local",
                claims: [Bench.claim("k.local", ["192.0.2.66"])]))
        bench.planner.update(bench.announcements, isComplete: true, bench.now)
        bench.pass(.seconds(10))
        #expect(bench.planner.wanted.map(\.servers).count == 1)
        #expect(bench.servers("K") == [Self.address])
        #expect(HostName("\u{212A}") != HostName("K"))
        #expect(HostName("a\u{7}\n.local.")?.description == "a\\007\\010.local")
    }

    /// A host is written and read again as it was: in the state file, and by `accept`.
    @Test(arguments: [
        String(repeating: "é", count: 60), String(repeating: "a", count: 254) + "é", "a..",
        String(repeating: "a", count: 300),
        String(repeating: "a", count: 254) + "..",
    ])
    func hostsReadAsTheyWereWritten(_ text: String) throws {
        let host = try #require(HostName(text))
        #expect(host.description.utf8.count <= HostName.longest)
        #expect(HostName(host.description) == host)
    }

    /// Another type of service that ranks higher does not take the name of a port of another host.
    @Test func aPreferredType() {
        var bench = PlannerBench("[discovery]\ntypes = _ttynvt._tcp _iostream._tcp\n")
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])], type: "_iostream._tcp")
        bench.pass(.seconds(100))
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address])
    }

    // Found running.

    /// 0.1.0 remembered no hosts: who announces the address in use owns the port.
    @Test func upgrade() throws {
        var bench = PlannerBench()
        let name = try DeviceName(port: "a")
        bench.planner.remember(name, [Endpoint(host: "192.0.2.1", port: 10000)], bench.now)
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"])], isComplete: false)
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address])
        bench.announce("a", [Bench.claim("evil.local", ["192.0.2.66"]), Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address])
        #expect(bench.planner.remembered[name]?.host == HostName("module.local"))
    }

    // Trust by configuration.

    @Test func announcedTrust() {
        var bench = bench("[discovery]\ntrust = announced\n")
        let evil = Bench.claim("a-evil.local", ["192.0.2.66"])
        bench.announce("a", [evil, Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == [Self.address], "while it is announced")
        bench.announce("a", [evil])
        bench.pass(.seconds(6))
        #expect(bench.servers("a") == ["192.0.2.66:10000"])
        #expect(bench.planner.contested == [])
    }

    @Test func configuredTrust() {
        let text = "[discovery]\ntrust = configured\n[port b]\nhost = module.local\n[port *]\nloss-timeout = 3\n"
        var bench = PlannerBench(text)
        for name in ["a", "b", "c"] { bench.announce(name, [Bench.claim("module.local", ["192.0.2.1"])]) }
        bench.pass(.seconds(10))
        #expect(bench.wanted == ["b"])
        bench.configure(text + "trust = first-use\n")
        bench.pass(.seconds(10))
        #expect(bench.wanted == ["a", "b", "c"])
        bench.configure(text)
        #expect(bench.wanted == ["b"])
        #expect(Set(bench.planner.denied.map(\.port)) == ["a", "c"])
    }

    /// The port's own word counts most, then the interface's.
    @Test func mostSpecificTrust() {
        let text = """
            [discovery]
            trust = configured
            [interface eth*]
            trust = announced
            [interface eth1]
            trust = configured
            [port x*]
            trust = first-use
            """
        let configuration = ConfigurationParser.parse(text, checkOption: { _, _ in nil }).configuration
        #expect(configuration.trust(of: "a", on: "wlan0") == .configured)
        #expect(configuration.trust(of: "a", on: "eth0") == .announced)
        #expect(configuration.trust(of: "a", on: "eth1") == .configured)
        #expect(configuration.trust(of: "xy", on: "eth1") == .firstUse)
    }

    @Test func pin() {
        var bench = bench()
        let claims = [
            Bench.claim("module.local", ["192.0.2.1"]), Bench.claim("other.local", ["192.0.2.5"]),
            Bench.claim("other.local", ["198.51.100.5"], on: "eth1"),
        ]
        bench.announce("a", claims)
        bench.configure("[port a]\nhost = OTHER.local\ninterface = eth1\n")
        bench.pass(.seconds(1))
        #expect(bench.servers("a") == ["198.51.100.5:10000"])
        #expect(bench.planner.contested == [])
        bench.announce("a", [claims[0], claims[1]])
        bench.pass(.seconds(100))
        #expect(bench.servers("a") == nil)
    }
}
