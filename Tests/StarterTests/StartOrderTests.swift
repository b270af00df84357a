import SerialLine
import Testing

@testable import PortPlan

/// Which lines the starter reads as orders.
@Suite struct StartOrderTests {
    private let spec: PortSpec

    init() throws {
        spec = PortSpec(
            name: try DeviceName(port: "MIO04-1-com1"),
            servers: [Endpoint(host: "192.0.2.7", port: 10000), Endpoint(host: "fe80::1%eth0", port: 10000)],
            origin: .announced, major: 199, minor: 7,
            options: [
                PortOption(key: "connect", value: "always"), PortOption(key: "group", value: "uucp"),
                PortOption(key: "kernel-ldisc", value: "yes"), PortOption(key: "mode", value: "770"),
            ])
    }

    private func fields(_ order: StartOrder) -> [String] {
        order.line.dropLast().split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    private func read(_ fields: [String]) -> StartOrder? {
        try? StartOrder(line: Array(fields.joined(separator: "\0").utf8))
    }

    @Test func ordersAreReadAsTheyWereWritten() throws {
        let orders: [StartOrder] = [
            .start(spec), .write(spec), .stop(spec.name), .forget(spec.name), .retire(spec.name),
        ]
        for order in orders {
            #expect(order.line.last == UInt8(ascii: "\n"))
            #expect(try StartOrder(line: order.line.dropLast()) == order)
            #expect(order.unit == #"ttynvt@MIO04\x2d1\x2dcom1.service"#)
        }
    }

    @Test func aPortWithoutOptions() throws {
        let plain = PortSpec(
            name: spec.name, servers: [Endpoint(host: "h", port: 1)], origin: .configured, major: 0, minor: 0,
            options: [])
        #expect(try StartOrder(line: StartOrder.write(plain).line.dropLast()) == .write(plain))
    }

    /// Text that other programs would read as more than itself, in each field: the order is refused.
    @Test(arguments: [
        "\n", "\r", "\n\nSYSTEMD_WANTS=evil.service", "\nLD_PRELOAD=/tmp/evil.so\n", "../", "/", "'", "\"", "\\",
        "$(id)",
        "${x}", "`id`", " ", "\t", ";", "#", "\u{7F}", "é", "%i", "*", "--user=root", " --user=root", "=", "\0",
        "\0-D\0" + "5",
    ])
    func nothingGetsIntoAField(_ poison: String) {
        let good = fields(.start(spec))
        #expect(read(good) == .start(spec))
        for index in good.indices {
            for text in [good[index] + poison, poison + good[index], poison] {
                var fields = good
                fields[index] = text
                let order = read(fields)
                // A server's host may have a zone, and that is all that is left of it.
                #expect(order == nil || index == 4 && poison == "%i", "\(text)")
                // And never anything that is not written as it was read.
                if let spec = order?.spec { #expect(spec.environment.utf8.count(where: { $0 == 10 }) == 4) }
            }
        }
    }

    @Test(arguments: [
        ["start"], ["start", "port"], ["start", "port", "X"], ["run", "port", "X"], ["stop", "can", "X"],
        ["stop", "port", ""], ["stop", "port", "S0"], ["stop", "port", "/dev/ttyX"], ["stop", "port", ".."],
        ["stop", "port", "X", "-f"], ["forget", "port", "X", ""], ["stop", "port", String(repeating: "x", count: 62)],
        ["Stop", "port", "X"], ["", "port", "X"], ["stop", "port", "X", "X", "X"],
    ])
    func whatIsNoOrder(_ fields: [String]) { #expect(read(fields) == nil) }

    @Test(arguments: [
        "--user=root", "--check", "--supervised=announced", "--name=ttyY", "--server=h:1", "--help", "-E", "-f",
        "--kernel-ldisc=yes", "--kernel-ldisc=no", "--mode=0888", "--mode=1777", "--mode=06666", "--owner=-x",
        "--owner=9x", "--owner=4294967295",
        "--owner=a:b", "--group=", "--connect", "--connect=always", "--settings=", "--", "-", "--=x", "--settings==x",
        "--debug=" + String(repeating: "5", count: 200),
    ])
    func optionsThatNobodyGives(_ option: String) {
        var fields = fields(.start(spec))
        fields.append(option)
        #expect(read(fields) == nil)
    }

    @Test func anotherPortsArguments() throws {
        for (index, value) in [(6, "ttyMIO04-1-com2"), (8, "512"), (8, "0199"), (10, "1048576"), (10, "+7"), (5, "-N")]
        {
            var fields = fields(.start(spec))
            #expect(fields[index] != value)
            fields[index] = value
            #expect(read(fields) == nil, "\(value)")
        }
    }

    @Test func anOrderHasALimit() throws {
        #expect(throws: StartOrder.Illegal.self) {
            try StartOrder(line: [UInt8](repeating: UInt8(ascii: "a"), count: StartOrder.longest))
        }
        #expect(throws: StartOrder.Illegal.self) { try StartOrder(line: [UInt8](repeating: 0, count: 1000)) }
        // The longest that a plan can write is within it.
        let host = String(repeating: "h", count: 255)
        let servers = (1...UInt16([Endpoint].mostServers)).map { Endpoint(host: host, port: 65000 + $0) }
        let name = try DeviceName(port: String(repeating: "x", count: DeviceName.longest - 3))
        let options = PortOption.keys.sorted().map {
            PortOption(key: $0, value: PortOption.flags.contains($0) ? "yes" : $0 == "mode" ? "0777" : "a23456789")
        }
        let longest = PortSpec(
            name: name, servers: servers, origin: .configured, major: 511, minor: 1_048_575, options: options)
        let line = StartOrder.start(longest).line
        #expect(line.count < StartOrder.longest)
        #expect(try StartOrder(line: line.dropLast()) == .start(longest))
    }

    @Test func theFileThatSystemdAndUdevRead() {
        #expect(
            spec.environment == """
                TTYNVT_SERVERS=192.0.2.7:10000,[fe80::1%eth0]:10000
                TTYNVT_ARGUMENTS=--supervised=announced -n ttyMIO04-1-com1 -M 199 -m 7 --connect=always --group=uucp \
                --kernel-ldisc --mode=770
                TTYNVT_GROUP=uucp
                TTYNVT_MODE=0770

                """)
    }

    @Test(arguments: [
        ("ok", StartAnswer.done(note: "")), ("ok it was a file", .done(note: "it was a file")),
        ("error no such unit", .refused("no such unit")),
    ])
    func answers(_ line: String, _ answer: StartAnswer) {
        #expect(StartAnswer(line: line) == answer)
        #expect(answer.line == line)
    }

    @Test(arguments: ["", "okay", "error", "no", "OK"]) func noAnswers(_ line: String) {
        #expect(StartAnswer(line: line) == nil)
    }

    /// systemd's longest name of a unit is 255 bytes.
    @Test func aNameOfDashesIsNotTooLongForAUnit() throws {
        let longest = try DeviceName(port: String(repeating: "-", count: 59))
        #expect(StartOrder.stop(longest).unit.utf8.count <= 255)
        #expect(throws: DeviceName.Illegal.self) { try DeviceName(port: String(repeating: "-", count: 60)) }
        #expect(throws: DeviceName.Illegal.self) { try DeviceName(port: String(repeating: "-", count: 61)) }
        // A dot is written out at the beginning, and only there.
        let dot = try? DeviceName(port: "." + String(repeating: "-", count: 59))
        #expect(dot.map { StartOrder.stop($0).unit.utf8.count <= 255 } ?? true)
    }

    /// Random bytes, and random changes of an order: never a trap, never a line feed more in the file.
    @Test func randomLines() {
        var generator = SystemRandomNumberGenerator()
        let good = Array(StartOrder.start(spec).line.dropLast())
        for _ in 0..<4000 {
            var line = good
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let index = Int.random(in: line.indices, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: line[index] = .random(in: 0...255, using: &generator)
                case 1: line.remove(at: index)
                default: line.insert(.random(in: 0...127, using: &generator), at: index)
                }
            }
            guard let order = try? StartOrder(line: line), let spec = order.spec else { continue }
            // Two lines, and one for each right of the node: two changes can merge an option with the one before it.
            let rights = spec.options.count { option in
                ["--owner=", "--group=", "--mode="].contains { option.hasPrefix($0) }
            }
            #expect(spec.environment.utf8.count(where: { $0 == 10 }) == 2 + rights)
            #expect(spec.environment.utf8.allSatisfy { $0 == 10 || $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "'") })
            #expect(order.line.dropLast() == line[...])
        }
    }
}
