import SerialLine
import Testing

@testable import Supervisor

@Suite struct UnitJobsTests {
    private let a: DeviceName
    private let jobs = Jobs()

    init() throws { a = try DeviceName("ttyXa") }

    private func take(_ active: String, job: Bool = false, at seconds: Double) -> String? {
        jobs.take(a, UnitJobs.State(active, hasJob: job), asked: .at(seconds), .at(seconds)).map { "\($0)" }
    }

    @Test func aStartIsOverWhenItsUnitIsActive() {
        jobs.started(a, .at(0))
        #expect(jobs.takeDue(.at(1)).isEmpty && jobs.starts == [a])
        jobs.hurry(a, .at(1))
        #expect(jobs.takeDue(.at(1)) == [a])
        #expect(take("active", at: 1) == "runs(ttyXa)")
        #expect(jobs.starts.isEmpty && jobs.nextDeadline == nil)
        #expect(take("failed", at: 2) == nil, "no result was due")
    }

    @Test func aLostSignalCostsTimeAndNoMore() {
        jobs.started(a, .at(0))
        #expect(jobs.nextDeadline == .at(5) && jobs.takeDue(.at(5)) == [a])
        // The answer is lost as well.
        #expect(jobs.nextDeadline == .at(6) && jobs.takeDue(.at(6)) == [a])
        #expect(take("active", at: 6) == "runs(ttyXa)")
    }

    /// JobRemoved says "done" of a stop, too: the state counts.
    @Test func aStopThatIsDoneIsNoStart() {
        jobs.started(a, .at(0))
        jobs.hurry(a, .at(1))
        #expect(take("inactive", at: 1)?.hasPrefix("failed(ttyXa, \"its unit is inactive") == true)
        jobs.ended(a, .at(2))
        #expect(take("deactivating", at: 2) == nil)
        #expect(take("inactive", at: 3) == "ended(ttyXa, Supervisor.LaunchEvent.End.stopped)")
        jobs.ended(a, .at(4))
        #expect(take("failed", at: 4) == "ended(ttyXa, Supervisor.LaunchEvent.End.other(\"its unit is failed\"))")
    }

    @Test func aUnitThatWaitsOrWorksIsLookedAtAgain() {
        jobs.started(a, .at(0))
        _ = jobs.takeDue(.at(5))
        #expect(take("inactive", job: true, at: 5) == nil)
        #expect(take("activating", at: 6) == nil)
        #expect(jobs.starts == [a])
        #expect(take("activating", at: 30)?.contains("not started the unit within 30 s") == true)
        #expect(jobs.starts.isEmpty, "its place is free")
    }

    @Test func oneThatSystemdStartsAgainIsWaitedFor() {
        jobs.ended(a, .at(0))
        #expect(jobs.starts.isEmpty && jobs.takeDue(.at(0)) == [a])
        #expect(take("activating", at: 0) == nil)
        #expect(jobs.nextDeadline == .at(0.2))
        #expect(take("activating", at: 100) == nil, "as long as systemd tries")
        #expect(take("active", at: 101) == "runs(ttyXa)")
    }

    @Test func anEndDuringAStartIsTheStarts() {
        jobs.started(a, .at(0))
        jobs.ended(a, .at(1))
        #expect(jobs.takeDue(.at(1)) == [a] && jobs.starts == [a])
        #expect(take("failed", at: 1)?.hasPrefix("failed(ttyXa") == true)
    }

    @Test func anAnswerFromBeforeTheStartSaysNothingOfIt() {
        jobs.started(a, .at(2))
        #expect(jobs.take(a, UnitJobs.State("inactive"), asked: .at(1), .at(3)) == nil)
        #expect(jobs.starts == [a])
    }

    @Test func aRefusedStartIsToldOnce() {
        jobs.started(a, .at(0))
        #expect(jobs.refused(a))
        #expect(!jobs.refused(a))
        jobs.ended(a, .at(0))
        #expect(!jobs.refused(a), "it is not ours")
    }

    @Test func aNewBusLooksAtAll() {
        jobs.started(a, .at(0))
        jobs.hurryAll(.at(3))
        #expect(jobs.takeDue(.at(3)) == [a])
    }
}

/// Jobs as an object: expectations may change it.
private final class Jobs {
    private var jobs = UnitJobs()

    var starts: [DeviceName] { jobs.starts }
    var nextDeadline: MonotonicTime? { jobs.nextDeadline }
    func started(_ name: DeviceName, _ now: MonotonicTime) { jobs.started(name, now) }
    func ended(_ name: DeviceName, _ now: MonotonicTime) { jobs.ended(name, now) }
    func hurry(_ name: DeviceName, _ now: MonotonicTime) { jobs.hurry(name, now) }
    func hurryAll(_ now: MonotonicTime) { jobs.hurryAll(now) }
    func refused(_ name: DeviceName) -> Bool { jobs.refused(name) }
    func takeDue(_ now: MonotonicTime) -> [DeviceName] { jobs.takeDue(now) }
    func take(
        _ name: DeviceName, _ state: UnitJobs.State, asked: MonotonicTime, _ now: MonotonicTime
    ) -> LaunchEvent? {
        jobs.take(name, state, asked: asked, now)
    }
}
