import PortPlan
import SerialLine
import Testing

@Suite struct AddressRulesTests {
    private typealias Bench = PlannerBench

    private func isTaken(
        _ address: String, on interface: String = "eth0", isLocal: Bool = false, _ text: String = ""
    ) -> Bool {
        var bench = PlannerBench(text)
        bench.announce("a", [Bench.claim("module.local", [address], on: interface, isLocal: isLocal)])
        bench.pass(.seconds(1))
        return bench.wanted == ["a"]
    }

    @Test(arguments: [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "8.8.8.8", "192.0.2.100", "192.0.2.255", "192.0.2.0",
        "198.51.100.7", "::", "::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:192.0.2.100", "2001:db8:1::1", "fe80::1",
        "fe80::1%eth1", "fe80::100%eth0", "169.254.1.1", "localhost", "127.1",
    ])
    func refused(_ address: String) {
        #expect(!isTaken(address))
        // Nothing of that is allowed because something else is.
        #expect(!isTaken(address, "[discovery]\nlocal = yes\nallow-addresses = 203.0.113.0/24\n"))
    }

    @Test(arguments: ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::7", "fe80::1%eth0"])
    func taken(_ address: String) { #expect(isTaken(address)) }

    @Test func otherInterface() { #expect(isTaken("198.51.100.7", on: "eth1")) }

    @Test func allowed() {
        let text = "[discovery]\nallow-addresses = 203.0.113.0/24 0.0.0.0/0\n"
        #expect(isTaken("203.0.113.7", text))
        #expect(isTaken("8.8.8.8", text))
        // What no server can have stays out.
        for address in ["224.0.0.1", "0.0.0.0", "255.255.255.255", "127.0.0.1", "192.0.2.255", "192.0.2.100"] {
            #expect(!isTaken(address, text), "\(address)")
        }
    }

    @Test func local() {
        for address in ["127.0.0.1", "192.0.2.100", "::1"] {
            #expect(!isTaken(address, isLocal: true))
            #expect(isTaken(address, isLocal: true, "[discovery]\nlocal = yes\n"))
        }
        var bench = PlannerBench()
        bench.announce("a", [Bench.claim("me.local", ["192.0.2.100"], isLocal: true)])
        #expect(
            bench.planner.notes == [
                "ignoring 'a', which this machine announces: 'local = yes' in [discovery] allows it"
            ])
    }

    @Test func saysWhy() {
        var bench = PlannerBench()
        bench.announce("a", [Bench.claim("module.local", ["8.8.8.8"])])
        #expect(
            bench.planner.notes == [
                "ignoring address 8.8.8.8:10000 of 'a': it is not on a network of eth0: 'allow-addresses' in [discovery] can "
                    + "allow it"
            ])
    }

    /// An address that may not be used, under the true host's name, does not end a port.
    @Test func cacheFlushWithAForeignAddress() {
        var bench = PlannerBench()
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        bench.announce("a", [Bench.claim("module.local", ["127.0.0.1"])])
        bench.pass(.seconds(1000))
        #expect(bench.servers("a") == ["192.0.2.1:10000"])
    }

    // Names.

    @Test func namesOfDrivers() {
        var bench = PlannerBench("[discovery]\nallow-names = * \n[port AML1]\nserver = 192.0.2.9:1\n")
        bench.announce("GPS0", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        #expect(bench.wanted == ["AML1", "GPS0"])
        bench.configure("[port AML1]\nserver = 192.0.2.9:1\n")
        #expect(bench.wanted == ["AML1"])
        #expect(
            bench.planner.notes == [
                "not used: 'GPS0', because /dev/ttyGPS0 could be a kernel driver's name: list "
                    + "it in 'allow-names' of [discovery] if it is yours"
            ])
    }

    @Test(arguments: [
        ("GPS0", true), ("AML12", true), ("MSM0", true), ("MIO04", true), ("ABCDEFG0", false), ("GPS", false),
        ("gps0", false), ("0", false), ("MIO04-1-com1", false), ("", false),
    ])
    func kernelLike(_ name: String, _ isLike: Bool) { #expect(Configuration().isKernelLike(name) == isLike) }

    // Reload.

    @Test(arguments: [
        "deny-names = a", "allow-names = b", "deny-interfaces = eth0", "allow-interfaces = eth1", "trust = configured",
    ])
    func reloadDenies(_ line: String) throws {
        var bench = PlannerBench()
        for name in ["a", "b"] { bench.announce(name, [Bench.claim("module.local", ["192.0.2.1"])]) }
        bench.pass(.seconds(100))
        #expect(bench.wanted == ["a", "b"])
        // Even while nothing is heard.
        bench.planner.update([], isComplete: false, bench.now)
        bench.configure("[discovery]\n\(line)\n")
        #expect(!bench.wanted.contains("a"))
        #expect(bench.planner.denied.contains(try DeviceName(port: "a")))
        bench.configure("")
        bench.announce("a", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        #expect(bench.wanted.contains("a") && bench.planner.denied.isEmpty)
    }

    @Test func reloadDeniesAddresses() {
        var bench = PlannerBench("[discovery]\nallow-addresses = 203.0.113.0/24\nlocal = yes\n")
        bench.announce("a", [Bench.claim("module.local", ["203.0.113.7"])])
        bench.announce("b", [Bench.claim("me.local", ["127.0.0.1"], isLocal: true)])
        bench.pass(.seconds(100))
        #expect(bench.wanted == ["a", "b"])
        bench.configure("[discovery]\nlocal = yes\n")
        #expect(bench.wanted == ["b"])
        bench.configure("")
        #expect(bench.wanted == [])
        #expect(bench.planner.denied.count == 2)
    }

    /// A denied port is retired even while the network has not been heard out.
    @Test func deniedIsRetired() throws {
        var reconciler = Reconciler()
        let name = try DeviceName(port: "a")
        let running = RunningPort(servers: [], options: ["--supervised=announced"], isRetiring: false)
        let now = MonotonicTime(nanoseconds: 1)
        reconciler.want([], isProvisional: true)
        reconciler.found(name, running, now)
        let before = reconciler.steps(now)
        #expect(before == [])
        reconciler.want([], denied: [name], isProvisional: true)
        let after = reconciler.steps(now)
        #expect(after == [.retire(name)])
    }
}

@Suite struct AdmissionTests {
    private typealias Bench = PlannerBench

    private func flood(_ bench: inout PlannerBench, _ count: Int, host: String = "evil.local", prefix: String = "0") {
        for index in 0..<count {
            bench.announcements.append(
                Announcement(
                    name: "\(prefix)\(index)x", type: "_ttynvt._tcp", domain: "local",
                    claims: [Bench.claim(host, ["192.0.2.66"])]))
        }
        bench.planner.update(bench.announcements, isComplete: true, bench.now)
    }

    /// One host lets in 64 names at once, then one each ten seconds; another host does not wait for it.
    @Test func oneHost() {
        var bench = PlannerBench()
        flood(&bench, 2000)
        bench.pass(.seconds(1))
        #expect(bench.wanted.count == 64)
        bench.announce("zz", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(1))
        #expect(bench.servers("zz") != nil)
        bench.pass(.seconds(100))
        #expect(bench.wanted.count == 75)
    }

    /// Many hosts of one interface share its quota.
    @Test func manyHosts() {
        var bench = PlannerBench()
        for host in 0..<40 { flood(&bench, 20, host: "evil\(host).local", prefix: "\(host)-") }
        bench.pass(.seconds(1))
        #expect(bench.wanted.count == 256)
        bench.pass(.seconds(100))
        #expect((300...310).contains(bench.wanted.count))
    }

    /// Known names do not wait, and strangers that came first take no place of theirs.
    @Test func knownNamesComeFirst() {
        var bench = PlannerBench()
        bench.announce("zz", [Bench.claim("module.local", ["192.0.2.1"])])
        bench.pass(.seconds(100))
        var next = PlannerBench("[discovery]\nmax-ports = 10\n[port zy]\nserver = 192.0.2.9:1\n")
        for (name, record) in bench.planner.remembered { next.planner.remember(name, record) }
        flood(&next, 500)
        next.announce("zz", [Bench.claim("module.local", ["192.0.2.1"])])
        next.pass(.seconds(1))
        #expect(next.wanted.count == 10)
        #expect(next.wanted.contains("zz") && next.wanted.contains("zy"))
    }
}
