import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct ConfigurationTests {
    private func parse(_ text: String) -> (configuration: Configuration, errors: [String]) {
        let (configuration, errors) = ConfigurationParser.parse(text) { key, value in
            guard
                ["connect", "loss-timeout", "dead-after", "linger", "rs485-codes", "owner", "group", "mode"].contains(
                    key)
            else {
                return "unknown option '\(key)'"
            }
            return value == "bad" ? "'\(value)' is no value for \(key)" : nil
        }
        return (configuration, errors.map(\.description))
    }

    @Test func everything() throws {
        let (configuration, errors) = parse(
            """
            # A comment
            ; another one
            [discovery]
            types = _ttynvt._tcp   _iostream._tcp
            allow-names = MIO04-* lab-?
            deny-names=MIO04-9-*
              allow-interfaces = eth* lo
            deny-interfaces = docker*
            grace = 2.5
            max-ports = 300

            [ports]
            major = 200
            connect = always
            loss-timeout = 30

            [port MIO04-*]
            loss-timeout = never
            [ port  board ]
            server = 192.0.2.7:10000,[2001:db8::1]:10001
            minor = 77
            rs485-codes = 20,21
            """)
        #expect(errors == [])
        #expect(configuration.types == ["_ttynvt._tcp", "_iostream._tcp"])
        #expect(configuration.names.admits("MIO04-1-com1") && configuration.names.admits("lab-2"))
        #expect(!configuration.names.admits("MIO04-9-com1") && !configuration.names.admits("other"))
        #expect(configuration.interfaces.admits("eth0") && !configuration.interfaces.admits("docker0"))
        #expect(configuration.grace == 2_500_000_000)
        #expect(configuration.maxPorts == 300)
        #expect(configuration.major == 200)
        #expect(
            configuration.options(of: "MIO04-1-com1") == [
                PortOption(key: "connect", value: "always"), PortOption(key: "loss-timeout", value: "never"),
            ])
        #expect(
            configuration.options(of: "board") == [
                PortOption(key: "connect", value: "always"), PortOption(key: "loss-timeout", value: "30"),
                PortOption(key: "rs485-codes", value: "20,21"),
            ])
        #expect(configuration.sections.map(\.minor) == [nil, 77])
        #expect(
            configuration.sections.last?.servers == [
                Endpoint(host: "192.0.2.7", port: 10000), Endpoint(host: "2001:db8::1", port: 10001),
            ])
    }

    /// A byte-order mark, line ends of Windows, comments behind values, times with units, and the device's name.
    @Test func whatEditorsAndPeopleWrite() throws {
        let text =
            "\u{FEFF}[discovery]  # where from\r\ngrace = 1min ; a comment\r\n\r\n[port ttyone]\r\nserver = a:1 # its server\r\n"
            + "dead-after = 20s\r\nlinger = 500ms\r\n"
        let (configuration, errors) = parse(text)
        #expect(errors == [])
        #expect(configuration.grace == 60_000_000_000)
        #expect(configuration.sections.map(\.pattern) == [Pattern("one")])
        #expect(configuration.sections.first?.servers == [Endpoint(host: "a", port: 1)])
        #expect(configuration.options(of: "one").map(\.value) == ["20", "0.5"])
    }

    @Test func nothing() { #expect(parse("").configuration == Configuration()) }

    /// No discovery at all: static ports only.
    @Test func noTypes() { #expect(parse("[discovery]\ntypes =").configuration.types == []) }

    @Test(arguments: [
        ("x = 1", "1: 'x' is outside a section: put it below a [section]"),
        ("[ports]\nconnect", "2: 'connect' is neither 'key = value' nor [section]"),
        ("[ports", "1: '[ports' lacks the closing ']'"),
        ("[port]", "1: [port NAME] takes one name, without blanks"),
        ("[port a b]", "1: [port NAME] takes one name, without blanks"),
        (
            "[other]\nx = 1",
            "1: unknown section [other]: use [discovery], [interface NAME], [ports] or [port NAME]"
        ),
        ("[port ../../etc/passwd]", "1: illegal device name '../../etc/passwd': only A-Z a-z 0-9 . _ - are allowed"),
        ("[port S0]", "1: illegal device name 'S0': it is a kernel driver's name"),
        ("[discovery]\n\nnone = 1", "3: unknown key 'none' in [discovery]"),
        ("[discovery]\ntypes = ttynvt", "2: 'ttynvt' is not a service type: write it like _ttynvt._tcp"),
        ("[discovery]\ngrace = -1", "2: grace takes 0 to 3600 seconds, not '-1'"),
        ("[discovery]\nmax-ports = 5000", "2: max-ports takes 0 to 4096, not '5000'"),
        ("[ports]\nmajor = 512", "2: major takes 0 to 511, not '512'"),
        ("[ports]\nserver = a:1", "2: 'server' applies to one port: set it in [port NAME]"),
        ("[port a*]\nserver = a:1", "2: 'server' applies to one port, and [port a*] is a pattern"),
        ("[port a]\nserver = a", "2: illegal server 'a': no port: write host:port, or [address]:port for IPv6"),
        ("[port a]\nserver = a:1,b:0", "2: illegal server 'a:1,b:0': 'b:0': port '0' is not a number from 1 to 65535"),
        ("[port a]\nmajor = 1", "2: 'major' applies to all ports: set it in [ports]"),
        ("[port a]\nminor = 0", "2: minor takes 1 to 1048575, not '0'"),
        ("[port a]\nminor = 5\n[port b]\nminor = 5", "4: minor 5 is already set for another port"),
        ("[ports]\nconnect = open\nconnect = open", "3: 'connect' is already set in line 2"),
        ("[ports]\nspeed = 1", "2: unknown key 'speed' in [ports]"),
        ("[ports]\ndead-aftr = 5", "2: unknown key 'dead-aftr' in [ports]: did you mean 'dead-after'?"),
        ("[discovery]\nallow-name = a", "2: unknown key 'allow-name' in [discovery]: did you mean 'allow-names'?"),
        ("[prots]\nx = 1", "1: unknown section [prots]: did you mean [ports]?"),
        ("[prt a]\nx = 1", "1: unknown section [prt a]: did you mean [port …]?"),
        ("[discovery]\ngrace = 5 days", "2: grace takes 0 to 3600 seconds, not '5 days'"),
        ("[ports]\nconnect = bad", "2: 'bad' is no value for connect"),
        ("[ports]\nconnect = a b", "2: illegal value 'a b' for 'connect'"),
        ("[ports]\ngroup = $(reboot)", "2: illegal value '$(reboot)' for 'group'"),
        ("[ports]\ngroup =", "2: illegal value '' for 'group'"),
        ("[ports]\n= x", "2: no key before '='"),
        ("[ports]\nmode = 1000", "2: mode takes an octal number from 0 to 0777, not '1000'"),
        ("[ports]\nmode = 660x", "2: mode takes an octal number from 0 to 0777, not '660x'"),
        ("[ports]\nmode = 0o660", "2: mode takes an octal number from 0 to 0777, not '0o660'"),
        ("[ports]\nmode = +660", "2: mode takes an octal number from 0 to 0777, not '+660'"),
        ("[ports]\nmode = 00660", "2: mode takes an octal number from 0 to 0777, not '00660'"),
        ("[ports]\nmode = 680", "2: mode takes an octal number from 0 to 0777, not '680'"),
        ("[ports]\ngroup = Dialout", "2: group takes a name (a-z, 0-9, _ and -) or a number, not 'Dialout'"),
        ("[ports]\nowner = 1a", "2: owner takes a name (a-z, 0-9, _ and -) or a number, not '1a'"),
        (
            "[ports]\nowner = 4294967295",
            "2: owner takes a name (a-z, 0-9, _ and -) or a number, not '4294967295'"
        ),
        (
            "[ports]\ntrust = announced",
            "2: 'trust' is not allowed here: set it in [discovery], [interface NAME] or [port NAME]"
        ),
        ("[discovery]\ntrust = all", "2: trust takes first-use, announced, configured, not 'all'"),
        ("[discovery]\nlocal = true", "2: local takes yes or no, not 'true'"),
        (
            "[discovery]\nallow-addresses = 10/8",
            "2: '10/8' is not a network: write it like 192.0.2.0/24 or 2001:db8::/32"
        ),
        ("[interface]", "1: [interface NAME] takes one name, without blanks"),
        ("[interface eth0]\nlocal = yes", "2: unknown key 'local' in [interface eth0]"),
        ("[port a*]\nhost = x", "2: 'host' applies to one port, and [port a*] is a pattern"),
        ("[port a]\nhost = x y", "2: illegal host 'x y': one name, without blanks"),
        ("[port a]\nhost = .", "2: illegal host '.': one name, without blanks"),
        ("[port a]\ninterface = ../x", "2: illegal interface '../x': one name, without blanks"),
        ("[ports]\ngroup = a\u{1B}b", "2: the line contains a control character"),
    ])
    func faults(_ text: String, _ fault: String) { #expect(parse(text).errors == [fault]) }

    @Test func trust() throws {
        let (configuration, errors) = parse(
            """
            [discovery]
            local = yes
            allow-addresses = 192.0.2.0/24 2001:db8::/32
            trust = configured
            [interface usb*]
            trust = announced
            [port a]
            host = Module.local.
            interface = eth0
            trust = first-use
            """)
        #expect(errors == [])
        #expect(configuration.local)
        #expect(
            configuration.addresses == [try #require(Subnet("192.0.2.0/24")), try #require(Subnet("2001:db8::/32"))])
        #expect(configuration.trust == .configured)
        #expect(configuration.interfaceSections.map(\.trust) == [.announced])
        let section = try #require(configuration.section(of: "a"))
        #expect(section.host == HostName("module.local") && section.interface == "eth0" && section.trust == .firstUse)
    }

    /// Rights are written in the one form that udev takes.
    @Test(arguments: [("0", "0000"), ("770", "0770"), ("0660", "0660"), ("7", "0007"), ("0777", "0777")])
    func mode(_ given: String, _ written: String) {
        let (configuration, errors) = parse("[ports]\nmode = \(given)\nowner = _x-1\ngroup = 20\n")
        #expect(errors == [])
        #expect(configuration.options.map(\.value) == [written, "_x-1", "20"])
    }

    @Test func allFaultsAtOnce() {
        #expect(parse("[ports]\na = 1\nconnect = open\nb = 2").errors.map { $0.prefix(2) } == ["2:", "4:"])
    }

    @Test func flagsHaveNoValueOnACommandLine() {
        #expect(PortOption(key: "kernel-ldisc", value: "yes").arguments == ["--kernel-ldisc"])
        #expect(PortOption(key: "kernel-ldisc", value: "no").arguments == [])
        #expect(PortOption(key: "linger", value: "no").arguments == ["--linger=no"])
    }

    @Test func windowsLineEnds() {
        let (configuration, errors) = parse("[ports]\r\nconnect = open\r\n")
        #expect(errors == [])
        #expect(configuration.options == [PortOption(key: "connect", value: "open")])
    }

    /// Any bytes: faults or none, and an end.
    @Test func randomText() {
        var random = SplitMix64(seed: 11)
        let pieces = [
            "[", "]", "port ", "ports", "=", "\n", " ", "#", "server", "minor", "1", "*", "\u{0}", "é", "types",
            "_a._tcp",
        ]
        for _ in 0..<3000 {
            let text = (0..<random.below(40)).map { _ in random.pick(pieces) }.joined()
            _ = parse(text)
        }
    }
}
