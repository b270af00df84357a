import SerialLine
import TestSupport
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"), ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("fe80::1%eth0", "fe80::1%eth0"),
    ])
    func reads(_ text: String, _ shown: String) { #expect(IPAddress(text)?.description == shown) }

    @Test(arguments: [
        "", "1", "127.1", "0x7f.0.0.1", "0x7f000001", "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "1.2.3.", "1.2.3.4%eth0",
        ":", ":::", "1:2", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "::+1", "fe80::1%", "fe80::1%a b",
        "1.2.3.4::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7::8:9", "localhost", "١.٢.٣.٤", "[::1]",
        String(repeating: ":", count: 100_000),
    ])
    func refuses(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test(arguments: [
        ("0.0.0.0", IPAddress.Scope.unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified),
        ("127.0.0.1", .loopback), ("127.255.0.1", .loopback), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("224.0.0.1", .multicast), ("239.1.1.1", .multicast), ("ff02::1", .multicast),
        ("255.255.255.255", .broadcast), ("::ffff:255.255.255.255", .broadcast), ("169.254.1.1", .linkLocal),
        ("fe80::1", .linkLocal), ("febf::1", .linkLocal), ("fec0::1", .other), ("8.8.8.8", .other),
        ("240.0.0.1", .other), ("2001:db8::1", .other),
    ])
    func scopes(_ text: String, _ scope: IPAddress.Scope) { #expect(IPAddress(text)?.scope == scope) }

    /// Written and read again, every address is itself.
    @Test func roundTrip() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<3000 {
            let bytes = (0..<16).map { _ in random.below(2) == 0 ? UInt8(0) : UInt8(random.below(256)) }
            let address = IPAddress(bytes: bytes)
            #expect(address.map { IPAddress($0.description) } == address)
        }
    }

    /// Any text: an address or none, and an end.
    @Test func randomText() {
        var random = SplitMix64(seed: 4)
        let pieces = [":", "::", ".", "1", "255", "ffff", "%", "e", "/", "", "é", "0"]
        for _ in 0..<5000 {
            let text = (0..<random.below(20)).map { _ in random.pick(pieces) }.joined()
            _ = IPAddress(text)
            _ = Subnet(text)
        }
    }

    @Test func subnets() throws {
        let subnet = try #require(Subnet("192.0.2.77/26"))
        #expect(subnet.description == "192.0.2.64/26")
        for (text, isIn, isBroadcast) in [
            ("192.0.2.64", true, true), ("192.0.2.65", true, false), ("192.0.2.127", true, true),
            ("192.0.2.128", false, false), ("2001:db8::1", false, false),
        ] {
            let address = try #require(IPAddress(text))
            #expect(subnet.contains(address) == isIn && subnet.isBroadcast(address) == isBroadcast, "\(text)")
        }
        // Two hosts on a line of their own have no broadcast address.
        #expect(try #require(Subnet("192.0.2.0/31")).isBroadcast(try #require(IPAddress("192.0.2.1"))) == false)
        #expect(Subnet("0.0.0.0/0")?.contains(try #require(IPAddress("203.0.113.9"))) == true)
        #expect(Subnet("2001:db8::/33")?.contains(try #require(IPAddress("2001:db8:8000::"))) == false)
        #expect(Subnet("192.0.2.1")?.prefix == 32)
        for text in [
            "", "/", "192.0.2.0/", "192.0.2.0/33", "::/129", "192.0.2.0/-1", "192.0.2.0/+8", "fe80::%eth0/64",
            "192.0.2.0/8/8", "10/8", "192.0.2.0/99999999999999999999",
        ] {
            #expect(Subnet(text) == nil, "\(text)")
        }
    }
}
