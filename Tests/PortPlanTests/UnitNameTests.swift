import SerialLine
import Testing

@testable import PortPlan

@Suite struct UnitNameTests {
    /// What systemd-escape(1) prints.
    @Test(arguments: [
        ("MIO04-1-com1", #"MIO04\x2d1\x2dcom1"#), ("a.b_c", "a.b_c"), (".hidden", #"\x2ehidden"#), ("a/b", "a-b"),
        ("a b", #"a\x20b"#), ("é", #"\xc3\xa9"#), ("a:b", "a:b"),
    ])
    func escaping(_ text: String, _ escaped: String) {
        #expect(UnitName.escape(text) == escaped)
        #expect(UnitName.unescape(escaped) == text)
    }

    @Test func units() throws {
        let name = try DeviceName(port: "MIO04-1-com1")
        #expect(UnitName.unit(of: name) == #"ttynvt@MIO04\x2d1\x2dcom1.service"#)
        #expect(UnitName.name(of: #"ttynvt@MIO04\x2d1\x2dcom1.service"#) == name)
    }

    @Test(arguments: [
        "ttynvt@.service", "ttynvt@a-b.service", "ttynvt-supervisor.service", "x.service", #"ttynvt@a\x2.service"#,
        #"ttynvt@a\x"#, #"ttynvt@\xff.service"#, "ttynvt@S0.service",
    ])
    func notOurs(_ unit: String) { #expect(UnitName.name(of: unit) == nil) }
}
