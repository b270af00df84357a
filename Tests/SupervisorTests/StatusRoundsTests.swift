import SerialLine
import Testing

@testable import Supervisor

@Suite struct StatusRoundsTests {
    private let a: DeviceName
    private let b: DeviceName

    init() throws {
        a = try DeviceName("ttyXa")
        b = try DeviceName("ttyXb")
    }

    @Test func onesThatAnswerAreAskedEachMinute() {
        let rounds = Rounds()
        rounds.add(a, .at(0))
        #expect(rounds.isUnclear(a) && rounds.takeDue(.at(0)) == [a])
        #expect(rounds.takeDue(.at(50)).isEmpty, "it is being asked")
        rounds.answered(a, .at(0))
        #expect(!rounds.isUnclear(a) && rounds.nextDeadline.map { $0 > .at(0) && $0 <= .at(60) } == true)
        #expect(rounds.takeDue(.at(60)) == [a], "the first time within a minute")
        rounds.answered(a, .at(60))
        #expect(rounds.nextDeadline == .at(120))
    }

    @Test func onesThatStartTogetherAreNotAskedTogether() throws {
        let rounds = Rounds()
        for index in 0..<600 {
            let name = try DeviceName("ttyMIO\(index)-com1")
            rounds.add(name, .at(0))
            rounds.answered(name, .at(0))
        }
        var most = 0
        var batches = 0
        for tenth in 0...600 {
            let due = rounds.takeDue(.at(Double(tenth) / 10)).count
            most = max(most, due)
            batches += due > 0 ? 1 : 0
        }
        #expect(most < 80, "of 600, 40 in a batch would be even")
        #expect(batches <= 15, "and few wake-ups")
    }

    @Test func pausesDoubleForASilentOne() {
        let rounds = Rounds()
        rounds.add(a, .at(0))
        var now = 0.0
        var asked: [Double] = []
        while now < 300 {
            if !rounds.takeDue(.at(now)).isEmpty {
                asked.append(now)
                #expect(rounds.silent(a, .at(now)) == (asked.count == 3), "conspicuous once")
            }
            now += 0.5
        }
        #expect(asked == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
        #expect(rounds.isUnclear(a))
        #expect(rounds.answered(a, .at(300)), "its silence was conspicuous")
        rounds.add(a, .at(300))
        #expect(!rounds.answered(a, .at(300)))
    }

    @Test func onesWatchedCloselyAreAskedEachSecond() {
        let rounds = Rounds()
        for name in [a, b] {
            rounds.add(name, .at(0))
            _ = rounds.takeDue(.at(0))
            rounds.answered(name, .at(0))
            _ = rounds.takeDue(.at(60))
            rounds.answered(name, .at(60))
        }
        rounds.watchClosely([a], .at(60))
        #expect(rounds.nextDeadline == .at(61) && rounds.takeDue(.at(61)) == [a])
        rounds.answered(a, .at(61))
        #expect(rounds.nextDeadline == .at(62))
        rounds.watchClosely([], .at(61))
        #expect(rounds.takeDue(.at(62)) == [a])
        rounds.answered(a, .at(62))
        #expect(rounds.takeDue(.at(119)).isEmpty && Set(rounds.takeDue(.at(120))) == [a, b])
    }

    @Test func oneThatIsGoneIsNotAsked() {
        let rounds = Rounds()
        rounds.add(a, .at(0))
        _ = rounds.takeDue(.at(0))
        rounds.remove(a)
        #expect(!rounds.answered(a, .at(0)) && !rounds.silent(a, .at(0)))
        #expect(rounds.nextDeadline == nil && rounds.names.isEmpty)
    }
}

/// Rounds as an object: expectations may change it.
private final class Rounds {
    private var rounds = StatusRounds()

    var names: Set<DeviceName> { rounds.names }
    var nextDeadline: MonotonicTime? { rounds.nextDeadline }
    func isUnclear(_ name: DeviceName) -> Bool { rounds.isUnclear(name) }
    func add(_ name: DeviceName, _ now: MonotonicTime) { rounds.add(name, now) }
    func remove(_ name: DeviceName) { rounds.remove(name) }
    func watchClosely(_ names: Set<DeviceName>, _ now: MonotonicTime) { rounds.watchClosely(names, now) }
    func takeDue(_ now: MonotonicTime) -> [DeviceName] { rounds.takeDue(now) }
    func silent(_ name: DeviceName, _ now: MonotonicTime) -> Bool { rounds.silent(name, now) }
    @discardableResult
    func answered(_ name: DeviceName, _ now: MonotonicTime) -> Bool { rounds.answered(name, now) }
}
