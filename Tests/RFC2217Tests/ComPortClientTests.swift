import RFC2217
import SerialLine
import Testing

/// Which request an answer settles. Times are in milliseconds since the connection was made.
@Suite struct ComPortClientTests {
    private static let rs485On = ComPortCommand.setControl(ControlValue(rawValue: 20))
    private static let rs485Off = ComPortCommand.setControl(ControlValue(rawValue: 21))

    @Test func anAnswerSettlesTheRequestOfItsKind() {
        var bench = ClientBench()
        bench.ask(.setDataSize(8), 1, at: 0)
        bench.ask(.setBaudRate(9600), 2, at: 0)
        #expect(bench.answer(.setBaudRate(9600), at: 10) == .answered(.setBaudRate(9600), 2))
        #expect(bench.answer(.setDataSize(8), at: 11) == .answered(.setDataSize(8), 1))
        #expect(bench.answer(.setDataSize(8), at: 12) == .answered(.setDataSize(8), nil))
        #expect(bench.client.answered == [.baudRate, .dataSize])
    }

    // Answers to repeated requests.

    /// The server answers each copy after 500 ms.
    @Test func theAnswerToAResentCopySettlesNoNewerRequest() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        #expect(bench.expire(at: 400).isEmpty)
        #expect(bench.resent == [.setBaudRate(9600)])
        #expect(bench.answer(.setBaudRate(9600), at: 500) == .answered(.setBaudRate(9600), 1))
        bench.ask(.setBaudRate(115_200), 2, at: 600)
        #expect(bench.answer(.setBaudRate(9600), at: 900) == .answered(.setBaudRate(9600), nil))
        // A further answer follows, so this value must not be adopted.
        #expect(bench.client.isOutstanding(.baudRate))
        #expect(bench.answer(.setBaudRate(115_200), at: 1100) == .answered(.setBaudRate(115_200), 2))
        #expect(!bench.client.isOutstanding(.baudRate))
    }

    /// The same for a rate that the server lacks: its answers to both copies are equal.
    @Test func theAnswerToAResentCopyIsKnownByTheAnswerToTheFirst() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(230_400), 1, at: 0)
        _ = bench.expire(at: 400)
        #expect(bench.answer(.setBaudRate(115_200), at: 500) == .answered(.setBaudRate(115_200), 1))
        bench.ask(.setBaudRate(250), 2, at: 600)
        #expect(bench.answer(.setBaudRate(115_200), at: 900) == .answered(.setBaudRate(115_200), nil))
        #expect(bench.answer(.setBaudRate(300), at: 1100) == .answered(.setBaudRate(300), 2))
    }

    /// As many answers are a copy's as there are copies.
    @Test func theAnswerToAResentCopyComesOnce() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        _ = bench.expire(at: 400)
        _ = bench.answer(.setBaudRate(9600), at: 500)
        bench.ask(.setBaudRate(1_234_567), 2, at: 600)
        #expect(bench.answer(.setBaudRate(9600), at: 900) == .answered(.setBaudRate(9600), nil))
        // The server keeps the rate it has.
        #expect(bench.answer(.setBaudRate(9600), at: 1100) == .answered(.setBaudRate(9600), 2))
    }

    /// The server dropped the first copy, so it sends only one answer.
    @Test func aLostFirstCopyTakesNoAnswerAway() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        _ = bench.expire(at: 400)
        #expect(bench.answer(.setBaudRate(9600), at: 401) == .answered(.setBaudRate(9600), 1))
        bench.ask(.setBaudRate(115_200), 2, at: 500)
        #expect(bench.answer(.setBaudRate(115_200), at: 501) == .answered(.setBaudRate(115_200), 2))
        bench.ask(.setBaudRate(9600), 3, at: 600)
        #expect(bench.answer(.setBaudRate(9600), at: 601) == .answered(.setBaudRate(9600), 3))
        bench.ask(.setBaudRate(250), 4, at: 700)
        #expect(bench.answer(.setBaudRate(300), at: 701) == .answered(.setBaudRate(300), 4))
        // Nor from a request that asks for what holds: tcdrain waits for its answer.
        bench.ask(.setBaudRate(0), 5, at: 800, patience: .seconds(10))
        #expect(bench.answer(.setBaudRate(300), at: 801) == .answered(.setBaudRate(300), 5))
    }

    @Test func anAnswerIsNotOwedForEver() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        _ = bench.expire(at: 400)
        _ = bench.answer(.setBaudRate(9600), at: 401)
        bench.ask(.setBaudRate(1_234_567), 2, at: 2000)
        #expect(bench.answer(.setBaudRate(9600), at: 2001) == .answered(.setBaudRate(9600), 2))
    }

    /// The value that was asked for twice, with another one between.
    @Test func theAnswerToAResentCopySettlesNoLaterRequestForTheSame() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        _ = bench.expire(at: 400)
        _ = bench.answer(.setBaudRate(9600), at: 500)
        bench.ask(.setBaudRate(115_200), 2, at: 600)
        bench.ask(.setBaudRate(9600), 3, at: 700)
        #expect(bench.answer(.setBaudRate(9600), at: 900) == .answered(.setBaudRate(9600), nil))
        #expect(bench.answer(.setBaudRate(115_200), at: 1100) == .answered(.setBaudRate(115_200), 2))
        #expect(bench.answer(.setBaudRate(9600), at: 1200) == .answered(.setBaudRate(9600), 3))
    }

    /// The server was deaf to the first request only: sent again, it would undo the second.
    @Test func aReplacedSettingIsNotSentAgain() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        bench.ask(.setDataSize(7), 2, at: 0)
        bench.ask(.setBaudRate(115_200), 3, at: 310)
        #expect(bench.answer(.setBaudRate(115_200), at: 311) == .answered(.setBaudRate(115_200), 3))
        #expect(bench.expire(at: 411) == [1])
        #expect(bench.resent == [.setDataSize(7)])
        // A query replaces nothing.
        bench.ask(.setBaudRate(19200), 4, at: 1000)
        bench.ask(.setBaudRate(0), 5, at: 1010, patience: .seconds(10))
        _ = bench.expire(at: 1400)
        #expect(bench.resent.last == .setBaudRate(19200))
    }

    // Answers that come too late.

    @Test func aLateAnswerSettlesNoNewerRequest() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(9600), 1, at: 0)
        _ = bench.expire(at: 400)
        #expect(bench.expire(at: 1000) == [1])
        #expect(!bench.client.isAnswerExpected(.baudRate))
        bench.ask(.setBaudRate(115_200), 2, at: 1100)
        #expect(bench.answer(.setBaudRate(9600), at: 1200) == .answered(.setBaudRate(9600), nil))
        #expect(bench.client.isOutstanding(.baudRate) && bench.client.isAnswerExpected(.baudRate))
        #expect(bench.answer(.setBaudRate(9600), at: 1600) == .answered(.setBaudRate(9600), nil))
        #expect(bench.answer(.setBaudRate(115_200), at: 1900) == .answered(.setBaudRate(115_200), 2))
    }

    /// It is another value than was asked for, and so than both: the first asked is the first answered.
    @Test func aLateAnswerOfAnotherValueIsTakenInOrder() {
        var bench = ClientBench()
        bench.ask(.setParity(4), 1, at: 0, patience: .milliseconds(900))
        #expect(bench.expire(at: 900) == [1])
        bench.ask(.setParity(5), 2, at: 1000)
        #expect(bench.answer(.setParity(1), at: 1100) == .answered(.setParity(1), nil))
        #expect(bench.answer(.setParity(1), at: 1300) == .answered(.setParity(1), 2))
    }

    @Test func aLateAnswerIsNotWaitedForForEver() {
        var bench = ClientBench()
        bench.ask(Self.rs485On, 1, at: 0)
        #expect(bench.expire(at: 1000) == [1])
        bench.ask(Self.rs485On, 2, at: 2000)
        #expect(bench.answer(Self.rs485Off, at: 2001) == .answered(Self.rs485Off, 2))
    }

    /// Both settings have been given up before the first answer comes: it must not look like news from the server.
    @Test func aVeryLateAnswerUndoesNoNewerSetting() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(57600), 1, at: 0)
        #expect(bench.expire(at: 400) == [])
        #expect(bench.expire(at: 1000) == [1])
        bench.ask(.setBaudRate(19200), 2, at: 1000)
        #expect(bench.expire(at: 2000) == [2])
        #expect(bench.answer(.setBaudRate(57600), at: 2500) == nil)
        #expect(bench.client.isAnswerExpected(.baudRate))
        #expect(bench.answer(.setBaudRate(57600), at: 2900) == nil)
        #expect(bench.answer(.setBaudRate(19200), at: 3500) == .answered(.setBaudRate(19200), nil))
        // Both copies of the older setting are answered: a further one is the server's own.
        #expect(bench.answer(.setBaudRate(57600), at: 3600) == .answered(.setBaudRate(57600), nil))
    }

    /// Requests given up for lack of room may be answered too; the number of those remembered is limited.
    @Test func memoryIsBounded() {
        var bench = ClientBench()
        for ticket in 1...600 as ClosedRange<UInt64> { bench.ask(.setBaudRate(UInt32(ticket)), ticket, at: 0) }
        #expect(bench.expire(at: 0) == Array(1...344))
        #expect(bench.answer(.setBaudRate(344), at: 1) == .answered(.setBaudRate(344), nil))
        #expect(bench.answer(.setBaudRate(345), at: 2) == .answered(.setBaudRate(345), 345))
        // Of 256 given up, 255 are owed an answer: one that nothing explains is theirs.
        for _ in 0..<255 { #expect(bench.answer(.setBaudRate(9600), at: 3) == .answered(.setBaudRate(9600), nil)) }
        #expect(bench.answer(.setBaudRate(9600), at: 4) == .answered(.setBaudRate(9600), 346))
    }

    /// Answers come in order, and each after the same time: whatever that is, none is taken for another's.
    @Test(arguments: [1, 200, 390, 410, 700, 990, 1010, 1300, 1590] as [UInt64])
    func aSlowServersAnswersAreToldApart(_ latency: UInt64) {
        for seed in 0..<40 as Range<UInt64> {
            var bench = ClientBench()
            let mismatches = bench.playSlowServer(latency: latency, seed: seed)
            #expect(mismatches.isEmpty, "seed \(seed)")
        }
    }

    // Answers to others.

    @Test func anotherClientsLinesSettleNoVendorRequest() {
        var bench = ClientBench()
        bench.ask(Self.rs485On, 1, at: 0)
        for value in [.dtrOn, .rtsOff, .breakOn, .flow(.hardware), .inboundFlow(.none)] as [ControlValue] {
            #expect(bench.answer(.setControl(value), at: 1) == .answered(.setControl(value), nil))
        }
        #expect(bench.answer(Self.rs485On, at: 2) == .answered(Self.rs485On, 1))
    }

    @Test func aRefusalOfRS485SettlesItsRequest() {
        var bench = ClientBench()
        bench.ask(Self.rs485On, 1, at: 0)
        #expect(bench.answer(Self.rs485Off, at: 1) == .answered(Self.rs485Off, 1))
        // With two requests, each is matched by its own value.
        bench.ask(Self.rs485Off, 2, at: 10)
        bench.ask(Self.rs485On, 3, at: 10)
        #expect(bench.answer(Self.rs485On, at: 11) == .answered(Self.rs485On, 3))
        #expect(bench.answer(Self.rs485Off, at: 12) == .answered(Self.rs485Off, 2))
    }

    // Servers of the field.

    /// sredird answers DTR and RTS with the flow control's value.
    @Test func flowAnswersLines() {
        var bench = ClientBench()
        bench.ask(.setControl(.dtrOn), 1, at: 0)
        bench.ask(.setControl(.rtsOn), 2, at: 0)
        bench.ask(.setControl(.flow(.hardware)), 3, at: 0)
        bench.ask(.setControl(.breakOn), 4, at: 0)
        let none = ComPortCommand.setControl(.flow(.none))
        #expect(bench.answer(none, at: 1) == .answered(none, 1))
        #expect(bench.answer(none, at: 2) == .answered(none, 2))
        #expect(bench.answer(.setControl(.flow(.hardware)), at: 3) == .answered(.setControl(.flow(.hardware)), 3))
        #expect(bench.answer(none, at: 4) == .answered(none, nil))
    }

    /// A line's answer is about that line.
    @Test func linesAnswerNothingElse() {
        var bench = ClientBench()
        bench.ask(.setControl(.rtsOn), 1, at: 0)
        bench.ask(.setControl(.flow(.hardware)), 2, at: 0)
        #expect(bench.answer(.setControl(.dtrOn), at: 1) == .answered(.setControl(.dtrOn), nil))
        #expect(bench.answer(.setControl(.rtsOn), at: 2) == .answered(.setControl(.rtsOn), 1))
    }

    /// igrr.
    @Test func aPurgeAnsweredTwiceSettlesOneRequest() {
        var bench = ClientBench()
        bench.ask(.purgeData(1), 1, at: 0)
        #expect(bench.answer(.purgeData(1), at: 1) == .answered(.purgeData(1), 1))
        #expect(bench.answer(.purgeData(1), at: 1) == .answered(.purgeData(1), nil))
        bench.ask(.purgeData(1), 2, at: 10)
        #expect(bench.answer(.purgeData(1), at: 11) == .answered(.purgeData(1), 2))
    }

    @Test func anotherRateThanAskedForSettlesItsRequest() {
        var bench = ClientBench()
        bench.ask(.setBaudRate(230_400), 1, at: 0)
        #expect(bench.answer(.setBaudRate(115_200), at: 1) == .answered(.setBaudRate(115_200), 1))
    }
}
