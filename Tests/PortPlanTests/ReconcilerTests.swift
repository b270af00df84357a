import Glibc
import PortPlan
import SerialLine
import TestSupport
import Testing

@Suite struct ReconcilerTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private func spec(_ port: String, _ host: String = "192.0.2.1", _ options: [String] = []) throws -> PortSpec {
        PortSpec(name: try DeviceName(port: port), servers: [Endpoint(host: host, port: 10000)], options: options)
    }

    private func running(_ spec: PortSpec) -> Reconciler {
        var reconciler = Reconciler()
        reconciler.found(
            spec.name, RunningPort(servers: spec.servers, options: spec.options, isRetiring: false), start)
        return reconciler
    }

    @Test func startsOnce() throws {
        var reconciler = Reconciler()
        reconciler.want([try spec("a")], isProvisional: false)
        #expect(reconciler.steps(start) == [.start(try spec("a"))])
        #expect(reconciler.steps(start) == [], "one step at a time")
        reconciler.done(.start(try spec("a")), start)
        #expect(reconciler.steps(start) == [])
    }

    @Test func adoptsWhatRuns() throws {
        var reconciler = running(try spec("a"))
        reconciler.want([try spec("a")], isProvisional: true)
        #expect(reconciler.steps(start) == [])
    }

    /// Starts that failed because the port ran all the time are no reason to wait once that is known.
    @Test func whatIsFoundAfterFailedStartsIsDealtWithAtOnce() throws {
        var reconciler = Reconciler()
        let wanted = try spec("a")
        reconciler.want([wanted], isProvisional: false)
        var now = start
        for _ in 0..<6 {
            #expect(reconciler.steps(now) == [.start(wanted)])
            reconciler.failed(.start(wanted), now)
            now = now + .seconds(60)
        }
        #expect(reconciler.steps(now) == [.start(wanted)])
        reconciler.failed(.start(wanted), now)
        reconciler.found(
            wanted.name, RunningPort(servers: wanted.servers, options: ["--old"], isRetiring: false), now)
        #expect(reconciler.steps(now) == [.retire(wanted.name)])
    }

    @Test func movesWithoutRestart() throws {
        var reconciler = running(try spec("a"))
        let moved = try spec("a", "192.0.2.2")
        reconciler.want([moved], isProvisional: false)
        #expect(reconciler.steps(start) == [.setServers(moved.name, moved.servers)])
    }

    @Test func retiresOnlyWhatIsSurelyUnwanted() throws {
        var reconciler = running(try spec("a"))
        reconciler.want([], isProvisional: true)
        #expect(reconciler.steps(start) == [])
        reconciler.want([], isProvisional: false)
        let name = try DeviceName(port: "a")
        #expect(reconciler.steps(start) == [.retire(name)])
        reconciler.done(.retire(name), start)
        // It comes back while a program has it open still.
        reconciler.want([try spec("a")], isProvisional: false)
        #expect(reconciler.steps(start) == [.keep(name)])
    }

    @Test func otherOptionsReplace() throws {
        var reconciler = running(try spec("a"))
        let other = try spec("a", "192.0.2.1", ["--connect=always"])
        reconciler.want([other], isProvisional: false)
        #expect(reconciler.steps(start) == [.retire(other.name)])
        reconciler.done(.retire(other.name), start)
        #expect(reconciler.steps(start) == [], "while a program has it open")
        reconciler.ended(other.name, start)
        #expect(reconciler.steps(start) == [.start(other)], "at once: it ended as told")
    }

    @Test func pausesDouble() throws {
        var reconciler = Reconciler()
        let spec = try spec("a")
        reconciler.want([spec], isProvisional: false)
        var now = start
        var pauses: [UInt64] = []
        for _ in 0..<10 {
            #expect(reconciler.steps(now) == [.start(spec)])
            reconciler.failed(.start(spec), now)
            #expect(reconciler.steps(now) == [])
            let next = try #require(reconciler.nextDeadline(now))
            pauses.append(next.since(now) / .milliseconds(500))
            now = next
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120])
    }

    /// A port that ran for long starts anew at once after a crash, however often it failed before.
    @Test func soundPortsStartAtOnce() throws {
        let spec = try spec("a")
        var reconciler = running(spec)
        reconciler.want([spec], isProvisional: false)
        var now = start
        for _ in 0..<5 {
            now = now + Reconciler.soundAfter
            reconciler.ended(spec.name, now)
            let next = try #require(reconciler.nextDeadline(now))
            #expect(next.since(now) == Reconciler.firstPause)
            now = next
            #expect(reconciler.steps(now) == [.start(spec)])
            reconciler.done(.start(spec), now)
        }
    }

    @Test func fewAtOnce() throws {
        var reconciler = Reconciler()
        let specs = try (0..<20).map { try spec("port\($0)") }
        reconciler.want(specs, isProvisional: false)
        let first = reconciler.steps(start)
        #expect(first.count == Reconciler.mostStarting)
        #expect(reconciler.nextDeadline(start) == nil, "waiting for a start needs no clock")
        reconciler.done(first[0], start)
        #expect(reconciler.steps(start).count == 1)
    }

    /// Random worlds, each of which ends at rest: then exactly the announced and configured ports must run. A second
    /// start, a changed minor number, or a change to a port whose supervisor was replaced is an error at any time.
    @Test func randomWorlds() {
        // The long run: make test-long.
        let worlds = getenv("TTYNVT_WORLDS").flatMap { Int(String(cString: $0)) } ?? 2_000
        var protected = 0
        for seed in 0..<UInt64(worlds) {
            var model = ReconcilerModel(seed: seed)
            model.begin()
            for _ in 0..<(10 + model.random.below(60)) { model.turn() }
            let isSettled = model.settle()
            guard isSettled, model.faults.isEmpty else {
                Issue.record("seed \(seed): \(model.faults) \(model.description)")
                return
            }
            protected += model.protectedCount
        }
        #expect(protected >= worlds, "too few ports were there before others announced them")
    }
}
