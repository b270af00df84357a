import Platform
import SerialLine
import SystemBus
import TestSupport
import Testing

@testable import Discovery
@testable import SystemBus

/// An Avahi that answers when it is told to.
private final class PlayedAvahi: AvahiResolvers {
    struct Resolver {
        let name: String
        let signal: (BusSignal) -> Void
    }

    /// By path.
    private(set) var resolvers: [String: Resolver] = [:]
    /// ResolveService, not answered yet.
    private(set) var questions: [(name: String, answered: (Result<[BusValue], BusError>) -> Void)] = []
    /// Calls that make a resolver, not answered yet.
    private(set) var makings: [() -> Void] = []
    private(set) var made = 0
    private(set) var mostObjects = 0

    func call(
        server interface: String, _ member: String, _ arguments: [BusValue],
        _ answered: @escaping (Result<[BusValue], BusError>) -> Void
    ) {
        questions.append((arguments[2].text ?? "", answered))
    }

    func make(
        _ kind: AvahiClient.Kind, _ arguments: [BusValue], signal: @escaping (BusSignal) -> Void,
        made answered: @escaping (Result<String, BusError>) -> Void
    ) {
        made += 1
        let path = "/\(made)"
        makings.append { [self] in
            resolvers[path] = Resolver(name: arguments[2].text ?? "", signal: signal)
            mostObjects = max(mostObjects, resolvers.count)
            answered(.success(path))
        }
    }

    func free(_ path: String, _ kind: AvahiClient.Kind) { #expect(resolvers.removeValue(forKey: path) != nil) }

    /// Answers calls that make resolvers, until none is left.
    func answerMakings() { while !makings.isEmpty { answerMaking(0) } }

    func answerMaking(_ index: Int) { makings.remove(at: index)() }

    func answer(_ index: Int, _ answer: Result<[BusValue], BusError>) { questions.remove(at: index).answered(answer) }

    func path(_ name: String) -> String? { resolvers.first { $0.value.name == name }?.key }

    func find(_ path: String, host: String = "h.local", address: String = "192.0.2.1", port: UInt16 = 1) {
        resolvers[path]?.signal(signal(path, "Found", Self.found(host, address, port)))
    }

    func fail(_ path: String) { resolvers[path]?.signal(signal(path, "Failure", [.string("timeout")])) }

    private func signal(_ path: String, _ member: String, _ arguments: [BusValue]) -> BusSignal {
        BusSignal(sender: ":1.1", path: path, interface: "", member: member, arguments: arguments)
    }

    static func found(_ host: String = "h.local", _ address: String = "192.0.2.1", _ port: UInt16 = 1) -> [BusValue] {
        [
            .int32(1), .int32(0), .string("n"), .string("_t._tcp"), .string("local"), .string(host), .int32(0),
            .string(address), .uint16(port), .array(of: "ay", []), .uint32(0),
        ]
    }
}

struct ResolverPoolTests {
    /// What a pool told.
    private final class Told {
        var found: [(name: String, resolution: Resolution)] = []
        var failed: [String] = []
    }

    private let avahi = PlayedAvahi()
    private let told = Told()

    private func pool(_ limits: ResolverPool.Limits = ResolverPool.Limits()) -> ResolverPool {
        let events = ResolverPool.Events { [told] in
            told.found.append(($0.service.name, $1))
        } failed: { [told] in
            told.failed.append($0.service.name)
        }
        return ResolverPool(avahi, limits: limits, isKnown: { $0.hasPrefix("known") }, events)
    }

    private func item(_ name: String) -> ServiceItem {
        ServiceItem(ServiceKey(name: name, type: "_t._tcp", domain: "local"), interface: 1, transport: 0)
    }

    @Test func aFloodOfBareNamesIsBoundedAndKnownNamesPassIt() throws {
        let pool = pool()
        for index in 0..<2000 { pool.add(item("bare\(index)"), isAwaited: true) }
        #expect(avahi.makings.count == 24)
        // Known names have calls of their own even then.
        pool.add(item("known0"), isAwaited: true)
        #expect(avahi.makings.count == 25)
        avahi.answerMakings()
        #expect(avahi.resolvers.count == 257)
        pool.add(item("known1"), isAwaited: true)
        avahi.answerMakings()
        avahi.find(try #require(avahi.path("known1")))
        #expect(told.found.map(\.name) == ["known1"])
        // One that fails makes room for the next.
        avahi.fail(try #require(avahi.path("bare7")))
        #expect(told.failed == ["bare7"])
        avahi.answerMakings()
        #expect(avahi.path("bare256") != nil && avahi.path("bare257") == nil)
    }

    @Test func knownNamesTakeResolversFromStrangers() throws {
        let pool = pool()
        for index in 0..<1000 { pool.add(item("s\(index)"), isAwaited: true) }
        for _ in 0..<10 {
            avahi.answerMakings()
            for (path, _) in avahi.resolvers { avahi.find(path) }
            while !avahi.questions.isEmpty { avahi.answer(0, .success(PlayedAvahi.found())) }
        }
        #expect(pool.isSettled)
        #expect(Set(told.found.map(\.name)).count == 1000)
        #expect(avahi.resolvers.count == 900)
        for index in 0..<100 { pool.add(item("known\(index)"), isAwaited: true) }
        avahi.answerMakings()
        #expect(avahi.resolvers.values.count { $0.name.hasPrefix("known") } == 100)
        #expect(avahi.mostObjects == 900)
        #expect(avahi.questions.isEmpty)
        // When they go, strangers get them back.
        for index in 0..<100 { pool.remove(item("known\(index)")) }
        avahi.answerMakings()
        #expect(avahi.resolvers.count == 900)
    }

    /// The resolver says the new port with the old host's address.
    @Test func anotherHostIsAskedForAnew() throws {
        let pool = pool()
        pool.add(item("a"), isAwaited: true)
        avahi.answerMakings()
        let first = try #require(avahi.path("a"))
        avahi.find(first, host: "old.local", address: "192.0.2.1", port: 1)
        avahi.find(first, host: "OLD.local.", address: "192.0.2.2", port: 2)
        #expect(told.found.map(\.resolution.port) == [1, 2])
        avahi.find(first, host: "new.local", address: "192.0.2.2", port: 3)
        #expect(told.found.count == 2 && avahi.resolvers.isEmpty)
        avahi.answerMakings()
        let second = try #require(avahi.path("a"))
        avahi.find(second, host: "new.local", address: "192.0.2.9", port: 3)
        #expect(told.found.last?.resolution.address == "192.0.2.9")
        // Again so soon: it waits.
        avahi.find(second, host: "old.local", address: "192.0.2.9", port: 4)
        #expect(told.found.count == 3 && avahi.resolvers.isEmpty && avahi.makings.isEmpty)
        let deadline = try #require(pool.nextDeadline)
        pool.advance(deadline)
        avahi.answerMakings()
        avahi.find(try #require(avahi.path("a")), host: "old.local", address: "192.0.2.1", port: 4)
        #expect(told.found.last?.resolution.address == "192.0.2.1")
    }

    @Test func strangersAreTriedAgainLessAndLess() throws {
        for (name, pauses) in [("s", [10, 20, 40, 80, 80]), ("known", [10, 10, 10])] as [(String, [UInt64])] {
            let pool = pool()
            pool.add(item(name), isAwaited: true)
            #expect(!pool.isSettled)
            for pause in pauses {
                avahi.answerMakings()
                let before = MonotonicTime.now
                avahi.fail(try #require(avahi.path(name)))
                #expect(pool.isSettled)
                let deadline = try #require(pool.nextDeadline)
                #expect(deadline >= before + .seconds(pause) && deadline < .now + .seconds(pause + 1))
                pool.advance(deadline)
            }
            #expect(told.failed == Array(repeating: name, count: pauses.count))
            told.failed = []
            avahi.answerMakings()
            pool.remove(item(name))
        }
    }

    /// A server that says port 0 is not there.
    @Test func anUnusableAnswerIsAFailure() throws {
        let pool = pool()
        pool.add(item("a"), isAwaited: true)
        avahi.answerMakings()
        avahi.find(try #require(avahi.path("a")), port: 0)
        #expect(told.found.isEmpty && told.failed == ["a"] && pool.isSettled && pool.strangers == 0)
    }

    /// Whatever comes, goes, fails and answers, in any order: the bounds hold, and nothing is left behind.
    @Test func randomOrders() throws {
        var random = SplitMix64(seed: 3)
        func number(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        let limits = ResolverPool.Limits(resolvers: 6, calls: 4, strangerCalls: 3, strangers: 3)
        for _ in 0..<200 {
            let pool = pool(limits)
            var present: Set<ServiceItem> = []
            for _ in 0..<200 {
                let item = item(number(3) == 0 ? "known\(number(8))" : "s\(number(12))")
                switch number(8) {
                case 0...1:
                    pool.add(item, isAwaited: number(2) == 0)
                    present.insert(item)
                case 2:
                    pool.remove(item)
                    present.remove(item)
                case 3: if !avahi.makings.isEmpty { avahi.answerMaking(number(avahi.makings.count)) }
                case 4:
                    guard !avahi.questions.isEmpty else { break }
                    let isFound = number(2) == 0
                    avahi.answer(
                        number(avahi.questions.count),
                        isFound ? .success(PlayedAvahi.found()) : .failure(.unexpected("Avahi")))
                case 5: if let path = avahi.resolvers.keys.randomElement(using: &random) { avahi.fail(path) }
                case 6:
                    guard let path = avahi.resolvers.keys.randomElement(using: &random) else { break }
                    avahi.find(path, host: "h\(number(2)).local")
                default: if number(5) == 0 { pool.advance(pool.nextDeadline ?? .now) } else { pool.review() }
                }
                #expect(avahi.resolvers.count <= limits.resolvers && pool.resolvers <= limits.resolvers)
                #expect(avahi.makings.count + avahi.questions.count == pool.calls && pool.calls <= limits.calls)
                #expect((0...limits.strangers).contains(pool.strangers))
            }
            // When Avahi answers all, every one present is found.
            told.found = []
            for _ in 0..<100 {
                if let deadline = pool.nextDeadline { pool.advance(deadline) }
                avahi.answerMakings()
                for path in avahi.resolvers.keys { avahi.find(path) }
                while !avahi.questions.isEmpty { avahi.answer(0, .success(PlayedAvahi.found())) }
            }
            #expect(pool.isSettled && pool.strangers == 0 && pool.calls == 0)
            #expect(pool.resolvers == avahi.resolvers.count && pool.resolvers == min(present.count, limits.resolvers))
            for item in present { pool.remove(item) }
            avahi.answerMakings()
            while !avahi.questions.isEmpty { avahi.answer(0, .success(PlayedAvahi.found())) }
            #expect(avahi.resolvers.isEmpty && pool.resolvers == 0 && pool.strangers == 0 && pool.calls == 0)
        }
    }
}
