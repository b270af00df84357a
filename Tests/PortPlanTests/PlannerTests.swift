import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct PlannerTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)
    /// When an announcement of `start` counts.
    private var settled: MonotonicTime { start + .milliseconds(300) }

    private func planner(_ text: String = "") -> Planner {
        let (configuration, errors) = ConfigurationParser.parse(text) { _, _ in nil }
        #expect(errors == [])
        var planner = Planner(configuration, minors: MinorTable(), isTaken: { _, _ in false })
        planner.setNetworks(.lab, start)
        return planner
    }

    private func port(
        _ name: String, _ host: String = "192.0.2.1", type: String = "_ttynvt._tcp", domain: String = "local",
        security: String? = nil, functionClass: String? = nil, gensioStack: String? = nil
    ) -> Announcement {
        let claim = Announcement.Claim(
            host: "module.local", interface: "eth0",
            endpoints: host.isEmpty ? [] : [Endpoint(host: host, port: 10000)], security: security,
            functionClass: functionClass, gensioStack: gensioStack)
        return Announcement(name: name, type: type, domain: domain, claims: [claim])
    }

    /// Announced from `start` on, heard out, and settled.
    private func heard(_ announcements: [Announcement], _ text: String = "") -> Planner {
        var planner = planner(text)
        planner.update(announcements, isComplete: true, start)
        planner.advance(settled)
        return planner
    }

    private func wanted(_ planner: Planner) -> [String] { planner.wanted.map(\.name.port) }

    @Test func argumentsOfAPort() {
        let planner = heard([port("MIO04-1-com1")], "[ports]\nconnect = always\n")
        #expect(
            planner.wanted.map(\.arguments) == [
                [
                    "-S", "192.0.2.1:10000", "--supervised=announced", "-n", "ttyMIO04-1-com1", "-M", "199", "-m", "1",
                    "--connect=always",
                ]
            ])
    }

    /// All of a port's addresses have time to come in before it is started.
    @Test func settles() {
        var planner = planner()
        planner.update([port("a")], isComplete: false, start)
        #expect(wanted(planner) == [])
        #expect(planner.nextDeadline(start) == settled)
        planner.advance(settled)
        #expect(wanted(planner) == ["a"])
        #expect(planner.isProvisional)
    }

    @Test func graceAfterVanishing() {
        var planner = heard([port("a")], "[discovery]\ngrace = 5\n")
        let gone = settled + .seconds(100)
        planner.update([], isComplete: true, gone)
        #expect(wanted(planner) == ["a"])
        #expect(planner.nextDeadline(gone) == gone + .seconds(5))
        planner.advance(gone + .milliseconds(4999))
        #expect(wanted(planner) == ["a"])
        planner.advance(gone + .seconds(5))
        #expect(wanted(planner) == [])
    }

    /// A running port is known once it answers, which may be after its announcement: it keeps its address during the
    /// grace period, and then follows the host that announces it.
    @Test func whatRunsIsRememberedAfterItWasAnnounced() throws {
        var planner = planner("[discovery]\ngrace = 5\n")
        planner.update([port("a", "192.0.2.9")], isComplete: true, start)
        planner.remember(try DeviceName(port: "a"), [Endpoint(host: "192.0.2.1", port: 10000)], start)
        planner.remember(try DeviceName(port: "b"), [Endpoint(host: "192.0.2.1", port: 10000)], start)
        planner.advance(start)
        #expect(wanted(planner) == ["a", "b"])
        #expect(planner.wanted.first?.servers == [Endpoint(host: "192.0.2.1", port: 10000)])
        for milliseconds in [5000, 5001, 5400] { planner.advance(start + .milliseconds(UInt64(milliseconds))) }
        #expect(wanted(planner) == ["a"], "the other one is not announced")
        #expect(planner.wanted.first?.servers == [Endpoint(host: "192.0.2.9", port: 10000)])
    }

    /// While the network cannot be heard, nothing is gone; the grace begins when it can be heard again.
    @Test func silenceSaysNothing() {
        var planner = heard([port("a")])
        planner.update([], isComplete: false, settled + .seconds(10))
        planner.advance(settled + .seconds(10_000))
        #expect(wanted(planner) == ["a"])
        planner.update([], isComplete: true, settled + .seconds(10_000))
        planner.advance(settled + .seconds(10_004))
        #expect(wanted(planner) == ["a"])
        planner.advance(settled + .seconds(10_006))
        #expect(wanted(planner) == [])
    }

    /// A port keeps its address if the announcement arrives without one.
    @Test func withoutAddress() {
        var planner = heard([port("a"), port("b", "")])
        #expect(wanted(planner) == ["a"])
        planner.update([port("a", "")], isComplete: true, settled)
        planner.advance(settled + .seconds(100))
        #expect(planner.wanted.first?.servers == [Endpoint(host: "192.0.2.1", port: 10000)])
    }

    @Test func configuredWins() {
        let planner = heard([port("a")], "[port a]\nserver = 192.0.2.9:1\n")
        #expect(planner.wanted.map(\.servers) == [[Endpoint(host: "192.0.2.9", port: 1)]])
        #expect(planner.wanted.first?.options.first == "--supervised=configured")
    }

    @Test func refusals() {
        var planner = heard([
            port("S0"), port("../x"), port("ok"), port("secure", security: "tls"), port("open", security: "no"),
            port("other", functionClass: "disk"), port("right", functionClass: "ttynvt"),
            port("raw", gensioStack: "tcp"), port("telnet", gensioStack: "telnet(rfc2217),tcp"),
        ])
        #expect(wanted(planner) == ["ok", "open", "right", "telnet"])
        #expect(
            planner.notes.sorted() == [
                "ignoring 'other' (_ttynvt._tcp): its function class is 'disk', not ttynvt",
                "ignoring 'raw' (_ttynvt._tcp): it speaks 'tcp', not RFC 2217",
                "ignoring 'secure' (_ttynvt._tcp): it requires security=tls, which RFC 2217 cannot provide",
                "illegal device name '../x': only A-Z a-z 0-9 . _ - are allowed",
                "illegal device name 'S0': it is a kernel driver's name",
            ])
        planner.notes = []
        planner.update([port("S0"), port("../x")], isComplete: true, settled)
        #expect(planner.notes == [], "each once")
    }

    /// Two services of one name: the type named first in the configuration has the device.
    @Test func oneNameTwoTypes() {
        let text = "[discovery]\ntypes = _ttynvt._tcp _iostream._tcp\n"
        let planner = heard([port("a", "192.0.2.2", type: "_iostream._tcp"), port("a", "192.0.2.1")], text)
        #expect(planner.wanted.map(\.servers) == [[Endpoint(host: "192.0.2.1", port: 10000)]])
        #expect(
            planner.notes == [
                "ignoring 'a' of _iostream._tcp in local: the port is used for _ttynvt._tcp in local already"
            ])
    }

    @Test func patterns() {
        let planner = heard(
            [port("MIO-1"), port("MIO-2"), port("lab")], "[discovery]\nallow-names = MIO-*\ndeny-names = *-2\n")
        #expect(wanted(planner) == ["MIO-1"])
        #expect(planner.notes == [], "what the operator does not want needs no words")
    }

    /// A port with a device keeps it when others come.
    @Test func noMoreThanAllowed() {
        var planner = heard([port("m"), port("n")], "[discovery]\nmax-ports = 2\n")
        planner.update([port("a"), port("m"), port("n")], isComplete: true, settled)
        planner.advance(settled + .seconds(1))
        #expect(wanted(planner) == ["m", "n"])
        #expect(planner.notes == ["3 ports wanted, but the limit is 2 (max-ports)"])
    }

    /// Ten thousand names, all different, all the time: numbers, memory and log stay bounded.
    @Test func floods() {
        var planner = planner()
        var now = start
        for round in 0..<5 {
            let good = (0..<2000).map { port("flood-\(round)-\($0)") }
            let bad = (0..<200).map { port("bad \(round) \($0)") }
            planner.update(good + bad, isComplete: true, now)
            now = now + .seconds(10)
            planner.advance(now)
            #expect(planner.wanted.count <= 64 * (round + 1))
            #expect(planner.minors.count <= MinorTable.capacity)
        }
        #expect(planner.notes.count <= 260)
        #expect(planner.notes.contains("more names are refused; further ones are not logged"))
    }

    /// Numbers that others have are passed over, and one that turns out to be another's is given up.
    @Test func numbersOfOthers() throws {
        var planner = Planner(Configuration(), minors: MinorTable(), isTaken: { $0 == 199 && $1 < 5 })
        planner.setNetworks(.lab, start)
        planner.update([port("a")], isComplete: true, start)
        planner.advance(settled)
        let name = try DeviceName(port: "a")
        #expect(planner.minors[name] == 5)
        planner.renumber(name, settled)
        #expect(planner.minors[name] == 6)
    }

    @Test func fixedNumber() throws {
        let planner = heard([port("a"), port("b")], "[port b]\nminor = 1\n")
        #expect(planner.minors[try DeviceName(port: "b")] == 1)
        #expect(planner.minors[try DeviceName(port: "a")] == 2)
        #expect(planner.wanted.map { $0.options.contains("2") } == [true, false])
    }
}
