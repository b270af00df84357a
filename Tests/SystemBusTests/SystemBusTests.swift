import Glibc
import Platform
import SerialLine
import SystemBus
import Testing

/// Against a real dbus-daemon: its own methods take and give values of many types.
@Suite(.serialized) struct SystemBusTests {
    private let daemonProcess: PrivateBus

    init() throws { daemonProcess = try PrivateBus() }

    @Test func aCallAndItsAnswer() throws {
        let bus = try SystemBus.open()
        #expect(try bus.call(daemon("RequestName", .string("org.example.One"), .uint32(4))) == [.uint32(1)])
        let names = try #require(try bus.call(daemon("ListNames")).first?.items)
        #expect(names.contains(.string("org.example.One")))
        #expect(try bus.call(daemon("NameHasOwner", .string("org.example.Two"))) == [.boolean(false)])
    }

    @Test func anAnswerToldWithinProcess() throws {
        let bus = try SystemBus.open()
        var answers: [Result<[BusValue], BusError>] = []
        for name in ["org.freedesktop.DBus", "org.example.Nobody"] {
            try bus.call(daemon("GetNameOwner", .string(name))) { answers.append($0) }
        }
        #expect(answers.isEmpty)
        #expect(try bus.run { answers.count == 2 })
        #expect(try answers[0].get() == [.string("org.freedesktop.DBus")])
        guard case .failure(let error) = answers[1] else {
            Issue.record("no error")
            return
        }
        #expect(error.name == "org.freedesktop.DBus.Error.NameHasNoOwner")
    }

    @Test func errorsOfTheOtherSide() throws {
        let bus = try SystemBus.open()
        #expect { try bus.call(daemon("NoSuchMethod")) } throws: { error in
            (error as? BusError)?.name == "org.freedesktop.DBus.Error.UnknownMethod"
        }
        #expect { try bus.call(daemon("GetNameOwner", .uint32(1))) } throws: { error in
            (error as? BusError)?.name == "org.freedesktop.DBus.Error.InvalidArgs"
        }
        var call = daemon("Hello")
        call.path = "no path"
        #expect(throws: BusError.self) { try bus.call(call) }
        #expect(throws: BusError.self) { try bus.call(daemon("GetNameOwner", .objectPath("no path"))) }
    }

    @Test func structuresArraysAndVariants() throws {
        let bus = try SystemBus.open()
        let credentials = try bus.call(daemon("GetConnectionCredentials", .string("org.freedesktop.DBus")))
        guard case .array(of: "{sv}", let entries)? = credentials.first else {
            Issue.record("\(credentials)")
            return
        }
        #expect(entries.contains(.entry(.string("UnixUserID"), .variant(.uint32(getuid())))))
        // a{ss} out; asu out, of strings and of none.
        let environment = BusValue.array(of: "{ss}", [.entry(.string("A"), .string("b"))])
        #expect(try bus.call(daemon("UpdateActivationEnvironment", environment)) == [])
        let monitor = try SystemBus.open()
        var call = daemon("BecomeMonitor", .strings(["type='error'"]), .uint32(0))
        call.interface = "org.freedesktop.DBus.Monitoring"
        #expect(try monitor.call(call) == [])
        // What systemd's ListUnitsByPatterns takes: the daemon knows no such method, and has read the call.
        #expect { try bus.call(daemon("ListUnitsByPatterns", .strings([]), .strings(["ttynvt@*.service"]))) } throws: {
            ($0 as? BusError)?.name == "org.freedesktop.DBus.Error.UnknownMethod"
        }
        #expect(
            BusValue.array(of: "(ssay)", [.structure([.string("a"), .string("b"), .bytes([1])])]).signature == "a(ssay)"
        )
        #expect(BusValue.structure([.string("a"), .bytes([1]), .strings([])]).signature == "(sayas)")
    }

    @Test func ownersOfNames() throws {
        let bus = try SystemBus.open()
        let other = try SystemBus.open()
        var owners: [String?] = []
        let watch = try bus.watchOwner(of: "org.example.One") { owners.append($0) }
        #expect(try bus.run { owners == [nil] })
        _ = try other.call(daemon("RequestName", .string("org.example.One"), .uint32(4)))
        #expect(try bus.run { owners.count == 2 })
        let name = try #require(owners.last ?? nil)
        #expect(name.hasPrefix(":"))
        // Who comes later is told at once.
        var late: [String?] = []
        let second = try bus.watchOwner(of: "org.example.One") { late.append($0) }
        #expect(late == [name])
        _ = try other.call(daemon("ReleaseName", .string("org.example.One")))
        #expect(try bus.run { owners.count == 3 })
        #expect(owners == [nil, name, nil])
        _ = (watch, second)
    }

    @Test func signalsUntilTheMatchIsLetGo() throws {
        let bus = try SystemBus.open()
        let other = try SystemBus.open()
        var seen: [BusSignal] = []
        var match: BusMatch? = try bus.match(
            sender: "org.freedesktop.DBus", interface: "org.freedesktop.DBus", member: "NameOwnerChanged"
        ) { seen.append($0) }
        var cancelled = 0
        var once: BusMatch?
        once = try bus.match(sender: "org.freedesktop.DBus", interface: "org.freedesktop.DBus") { _ in
            cancelled += 1
            once?.cancel()
        }
        _ = try bus.call(daemon("GetId"))
        _ = try other.call(daemon("RequestName", .string("org.example.One"), .uint32(4)))
        #expect(try bus.run { seen.contains { $0.arguments.first == .string("org.example.One") } })
        #expect(cancelled == 1)
        let signal = try #require(seen.last)
        #expect(signal.sender == "org.freedesktop.DBus")
        #expect(signal.path == "/org/freedesktop/DBus")
        #expect(signal.member == "NameOwnerChanged")
        #expect(signal.arguments.count == 3)
        match = nil
        let count = seen.count
        _ = try other.call(daemon("ReleaseName", .string("org.example.One")))
        _ = try bus.call(daemon("GetId"))
        _ = try bus.run { bus.timeout != 0 }
        #expect(seen.count == count)
        _ = match
    }

    @Test func theBusGoes() throws {
        let bus = try SystemBus.open()
        _ = try bus.call(daemon("GetId"))
        // To a name that does not answer: the connection's own.
        let me = try #require(try bus.call(daemon("ListNames")).first?.items?.compactMap(\.text).last)
        var answers: [Result<[BusValue], BusError>] = []
        try bus.call(BusCall(me, path: "/", interface: "org.example", "Never")) { answers.append($0) }
        daemonProcess.stop()
        #expect(throws: BusError.disconnected) { while true { _ = try bus.run { false } } }
        #expect(answers.count == 1)
        #expect(bus.descriptor == -1)
        #expect(bus.timeout == nil)
        #expect(throws: BusError.disconnected) { try bus.process() }
        #expect(throws: BusError.disconnected) { try bus.call(daemon("GetId")) }
        #expect(throws: BusError.disconnected) { try bus.call(daemon("GetId")) { _ in } }
        #expect { try SystemBus.open() } throws: { "\($0)".contains("/bus") }
    }

    @Test func nothingIsToldToWhoHasGone() throws {
        var bus: SystemBus? = try SystemBus.open()
        final class Told { var count = 0 }
        let told = Told()
        try bus?.call(daemon("GetId")) { _ in told.count += 1 }
        let match = try bus?.match(sender: "org.example.One", interface: "org.example") { _ in told.count += 1 }
        bus = nil
        _ = match
        #expect(told.count == 0)
    }

    @Test func aCallTimesOut() throws {
        let bus = try SystemBus.open()
        let silent = try SystemBus.open()
        _ = try silent.call(daemon("RequestName", .string("org.example.Silent"), .uint32(4)))
        let call = BusCall("org.example.Silent", path: "/", interface: "org.example", "Never")
        let start = MonotonicTime.now
        #expect(throws: BusError.self) { try bus.call(call, timeout: .milliseconds(200)) }
        var answer: Result<[BusValue], BusError>?
        try bus.call(call, timeout: .milliseconds(200)) { answer = $0 }
        #expect(try bus.run { answer != nil })
        #expect(throws: BusError.self) { try answer?.get() }
        #expect(MonotonicTime.now.since(start) < .seconds(3))
    }
}
