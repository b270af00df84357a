import SerialLine
import Testing

@Suite struct EndpointTests {
    static let good: [(String, String, UInt16)] = [
        ("host:80", "host", 80),
        ("127.0.0.1:2217", "127.0.0.1", 2217),
        ("a_b-c.example.:65535", "a_b-c.example.", 65_535),
        ("[::1]:4001", "::1", 4001),
        ("[fe80::1%eth0.7]:1", "fe80::1%eth0.7", 1),
        ("h:007", "h", 7),
        ("rfc2217://host:80", "host", 80),
        ("RFC2217://[::1]:4001", "::1", 4001),
        (String(repeating: "a", count: 255) + ":1", String(repeating: "a", count: 255), 1),
    ]

    @Test(arguments: good) func parses(_ text: String, _ host: String, _ port: UInt16) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.host == host && endpoint.port == port)
        #expect(try Endpoint(parsing: endpoint.description) == endpoint)
    }

    static let bad: [(String, Endpoint.ParseError)] = [
        ("", .noPort),
        ("host", .noPort),
        ("rfc2217://", .noPort),
        ("rfc2217://host", .noPort),
        ("telnet://host:1", .bareIPv6),
        ("rfc2217://host:1/", .badPort("1/")),
        ("[::1]", .noPort),
        ("host:", .badPort("")),
        ("host:0", .badPort("0")),
        ("host:65536", .badPort("65536")),
        ("host:99999999999999999999999", .badPort("99999999999999999999999")),
        ("host:+1", .badPort("+1")),
        ("host:-1", .badPort("-1")),
        ("host: 1", .badPort(" 1")),
        ("host:1 ", .badPort("1 ")),
        ("host:1\n", .badPort("1\n")),
        ("host:telnet", .badPort("telnet")),
        // Digits, but not those of a port.
        ("host:\u{0661}\u{0662}", .badPort("\u{0661}\u{0662}")),
        ("[::1]:", .badPort("")),
        (":80", .noHost),
        (":", .noHost),
        ("::1:80", .bareIPv6),
        ("a:b:80", .bareIPv6),
        ("::", .bareIPv6),
        ("[::1:80", .bareIPv6),
        ("[::1]x:80", .bareIPv6),
        ("[]:80", .badHost),
        ("[host]:80", .badHost),
        ("[[::1]]:80", .badHost),
        ("host]:80", .badHost),
        ("a b:80", .badHost),
        (" host:80", .badHost),
        ("a/b:80", .badHost),
        // What a shell, systemd or udev would take for more than itself.
        ("ho'st:80", .badHost),
        ("ho\"st:80", .badHost),
        ("ho\\st:80", .badHost),
        ("$(id):80", .badHost),
        ("a;b:80", .badHost),
        ("a=b:80", .badHost),
        ("ho\u{0}st:80", .badHost),
        ("ho\u{7F}st:80", .badHost),
        ("h\u{F6}st:80", .badHost),
        (String(repeating: "a", count: 256) + ":1", .badHost),
    ]

    @Test(arguments: bad) func refuses(_ text: String, _ error: Endpoint.ParseError) {
        #expect(throws: error) { try Endpoint(parsing: text) }
    }

    @Test func errorsSayWhatToDo() {
        #expect(Endpoint.ParseError.noPort.description.contains("host:port"))
        #expect(Endpoint.ParseError.bareIPv6.description.contains("[address]:port"))
        #expect(Endpoint.ParseError.badPort("x9").description.contains("'x9'"))
    }

    @Test func description() {
        #expect(Endpoint(host: "host", port: 80).description == "host:80")
        #expect(Endpoint(host: "::1", port: 80).description == "[::1]:80")
    }
}
