import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct PortLedgerTests {
    private func ledger() throws -> PortLedger {
        var ledger = PortLedger()
        for name in ["a", "b", "c"] {
            _ = ledger.minors.minor(for: try DeviceName(port: name), isInUse: { _ in true }, isTaken: { _ in false })
        }
        ledger.names[try DeviceName(port: "a")] = RememberedPort(
            host: try #require(HostName("MIO04-1.local")), interfaces: ["eth0", "eth1"], subnets: ["192.0.2.0/24"],
            addresses: [Endpoint(host: "192.0.2.1", port: 10000), Endpoint(host: "fe80::1%eth0", port: 10000)],
            firstSeen: 1_764_000_000)
        ledger.names[try DeviceName(port: "c")] = RememberedPort(
            host: try #require(HostName("x y.local")), interfaces: [], subnets: [],
            addresses: [Endpoint(host: "192.0.2.3", port: 1)], firstSeen: 0)
        return ledger
    }

    @Test func roundTrip() throws {
        let ledger = try ledger()
        #expect(try PortLedger(parsing: ledger.text) == ledger)
        #expect(
            ledger.text.contains(
                "ttya 1 host=MIO04-1.local since=1764000000 interfaces=eth0,eth1 subnets=192.0.2.0/24 "
                    + "servers=192.0.2.1:10000,[fe80::1%eth0]:10000\nttyb 2\n"))
    }

    /// An interface may be called anything that the kernel takes.
    @Test func hostileInterface() throws {
        var ledger = try ledger()
        let name = try DeviceName(port: "c")
        ledger.names[name]?.interfaces = ["a,b", "c\nd", "eth0"]
        #expect(try PortLedger(parsing: ledger.text).names[name]?.interfaces == ["eth0"])
    }

    @Test(arguments: [
        "x", "host=", "host=a", "host=a since=x servers=1.2.3.4:1", "host=a since=1",
        "host=a since=1 servers=1.2.3.4:0",
        "host=a since=1 servers=a b:1",
    ])
    func damagedWords(_ words: String) throws {
        let text = try ledger().text.replacing("ttyb 2\n", with: "ttyb 2 \(words)\n")
        #expect(throws: MinorTable.Corrupt.self) { try PortLedger(parsing: text) }
    }

    /// Any file with one byte changed is refused, or says nearly the same.
    @Test func damagedText() throws {
        let text = Array(try ledger().text.utf8)
        var random = SplitMix64(seed: 5)
        for index in text.indices {
            var damaged = text
            damaged[index] = random.byte()
            if let other = try? PortLedger(parsing: String(decoding: damaged, as: UTF8.self)) {
                #expect(other.minors.count == 3)
            }
        }
    }
}
