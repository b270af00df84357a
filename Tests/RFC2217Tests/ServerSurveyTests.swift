import RFC2217
import SerialLine
import TestSupport
import Testing

/// Surveys of servers played in memory.
@Suite struct ServerSurveyTests {
    private static let roundTrip: UInt64 = .milliseconds(30)

    /// A survey of one server, over a path of 30 ms.
    private func survey(_ profile: ServerProfile, inputs: ModemLines = []) -> (ServerSurvey, ServerPlayer) {
        var now = MonotonicTime(nanoseconds: .seconds(50))
        var survey = ServerSurvey(now: now, patience: .seconds(2))
        var server = ServerPlayer(profile, inputs: inputs, now: now)
        for _ in 0..<1000 where !survey.isDone {
            server.receive(survey.output, now: now)
            survey.output.removeAll()
            let bytes = server.output
            server.output.removeAll()
            if bytes.isEmpty {
                now = survey.deadline ?? now
                survey.advance(now: now)
            } else {
                now = now + Self.roundTrip
                survey.receive(bytes.span, now: now)
            }
        }
        #expect(survey.isDone)
        return (survey, server)
    }

    @Test func aServerByTheBook() {
        let (survey, server) = survey(ServerProfile(), inputs: [.cts, .dsr])
        #expect(survey.isRFC2217 && survey.agreedAfter == Self.roundTrip)
        #expect(survey.answers.allSatisfy { $0.value != nil && $0.after == Self.roundTrip })
        #expect(survey.value(of: .setBaudRate(0)) == .setBaudRate(9600))
        #expect(survey.value(of: .signature([])) == .signature(Array("RFC 2217 simulator".utf8)))
        #expect(survey.modemState?.lines == [.cts, .dsr])
        #expect(survey.barrier == "SET-MODEMSTATE-MASK")
        #expect(survey.families == ["standard"])
        #expect(server.data.isEmpty)
        #expect(server.port.settings == LineSettings() && server.port.outputs == [])
        #expect(server.lineStateMask == [])
    }

    @Test func whatIsUnansweredIsAskedTwice() {
        var profile = ServerProfile()
        profile.unanswered = [1, 11]
        let (survey, server) = survey(profile)
        #expect(survey.answers.filter { $0.value == nil }.map(\.name) == ["SET-BAUDRATE", "SET-MODEMSTATE-MASK"])
        #expect(server.commands.filter { $0 == .setBaudRate(0) }.count == 2)
        #expect(survey.barrier == nil && survey.families.isEmpty)
    }

    @Test(arguments: [
        ServerQuirk.ser2net, .ser2net43, .pyserial, .espRFC2217Server, .igrr, .espRS, .espLink, .sredird, .moxa,
    ])
    func everyKnownServerIsKnownAgain(_ quirk: ServerQuirk) {
        let (survey, server) = survey(ServerProfile([quirk]), inputs: [.cts])
        #expect(survey.families.contains(quirk.rawValue))
        #expect(survey.families.count == (quirk == .pyserial || quirk == .espRFC2217Server ? 2 : 1))
        #expect(server.data.isEmpty)
    }

    /// A server that answers everything about lines with its flow control, as sredird does.
    @Test func anAnswerToAnotherQuestionIsNoted() {
        var now = MonotonicTime(nanoseconds: .seconds(1))
        var survey = ServerSurvey(now: now, patience: .seconds(1))
        survey.receive(wire("FF FD 2C | DO COM-PORT-OPTION").span, now: now)
        while !survey.isDone {
            if survey.output.isEmpty {
                now = survey.deadline ?? now
                survey.advance(now: now)
            } else {
                survey.output.removeAll()
                survey.receive(wire("FF FA 2C 69 01 FF F0 | SET-CONTROL flow none").span, now: now)
            }
        }
        let other = survey.answers.filter { $0.value != nil && !$0.isToThePoint }.map(\.name)
        #expect(
            other == ["SET-CONTROL inbound flow", "SET-CONTROL break", "SET-CONTROL DTR", "SET-CONTROL RTS"])
    }

    @Test func settingsThatVanishAreAskedForAgain() {
        let (survey, _) = survey(ServerProfile([.loseFirstSettings]))
        #expect(survey.answers.allSatisfy { $0.value != nil })
    }

    @Test func rejectsNonRFC2217Servers() {
        #expect(!survey(ServerProfile([.silent])).0.isRFC2217)
        #expect(survey(ServerProfile([.silent])).0.refusal == "no answer to COM-PORT-OPTION")
        #expect(survey(ServerProfile([.refuseComPort])).0.refusal == "it refuses COM-PORT-OPTION")
    }

    @Test func anEchoIsNone() {
        let now = MonotonicTime(nanoseconds: .seconds(1))
        var survey = ServerSurvey(now: now, patience: .seconds(1))
        for _ in 0..<20 where !survey.isDone {
            let bytes = survey.output
            survey.output.removeAll()
            survey.receive(bytes.span, now: now)
        }
        #expect(!survey.isRFC2217 && survey.refusal == "it echoes what it receives")
    }

    @Test func noiseDoesNoHarm() {
        var random = SplitMix64(seed: 9)
        for _ in 0..<2000 {
            var now = MonotonicTime(nanoseconds: .seconds(1))
            var survey = ServerSurvey(now: now, patience: .seconds(1))
            for _ in 0..<20 {
                survey.receive(random.escapeHeavyBytes(random.below(50)).span, now: now)
                now = now + .milliseconds(UInt64(random.below(500)))
                survey.advance(now: now)
            }
            _ = survey.barrier
            survey.close()
            #expect(survey.isDone)
        }
    }
}
