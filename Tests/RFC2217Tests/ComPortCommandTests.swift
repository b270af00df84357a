import RFC2217
import SerialLine
import Testing

@Suite struct ComPortCommandTests {
    @Test func nothingIsNoCommand() {
        #expect(ComPortCommand(payload: [], from: .client) == nil)
        #expect(ComPortCommand(payload: [], from: .server) == nil)
    }

    /// Moxa's servers send these codes without the 100.
    @Test func bareCodesOfServers() {
        #expect(ComPortCommand(payload: [8], from: .server) == .flowControlSuspend)
        #expect(ComPortCommand(payload: [9], from: .server) == .flowControlResume)
        #expect(ComPortCommand(payload: [0, 0x4D], from: .server) == .signature([0x4D]))
    }

    /// Moxa's client codes are accepted for three commands only: 7 from a server is not NOTIFY-MODEMSTATE.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 10, 11, 12] as [UInt8]) func otherBareCodesOfServers(_ code: UInt8) {
        let value: [UInt8] = code == 1 ? [0, 0, 0x25, 0x80] : [1]
        #expect(ComPortCommand(payload: [code] + value, from: .server) == .unknown(code: code, payload: value))
    }

    @Test(arguments: 13...255 as ClosedRange<UInt8>) func codesThatNoClientHas(_ code: UInt8) {
        #expect(ComPortCommand(payload: [code, 5], from: .client) == .unknown(code: code, payload: [5]))
    }

    @Test(arguments: Array(13...99) + Array(113...255) as [UInt8]) func codesThatNoServerHas(_ code: UInt8) {
        #expect(ComPortCommand(payload: [code, 5], from: .server) == .unknown(code: code, payload: [5]))
    }

    @Test(arguments: [0, 1, 2, 3, 5, 6, 512]) func baudRateOfTheWrongLength(_ count: Int) {
        let value = [UInt8](repeating: 0, count: count)
        #expect(ComPortCommand(payload: [1] + value, from: .client) == .unknown(code: 1, payload: value))
        #expect(ComPortCommand(payload: [101] + value, from: .server) == .unknown(code: 101, payload: value))
    }

    @Test(arguments: [2, 3, 4, 5, 6, 7, 10, 11, 12] as [UInt8], [0, 2, 4])
    func valueOfTheWrongLength(_ code: UInt8, _ count: Int) {
        let value = [UInt8](repeating: 3, count: count)
        #expect(ComPortCommand(payload: [code] + value, from: .client) == .unknown(code: code, payload: value))
        let answer = code + 100
        #expect(ComPortCommand(payload: [answer] + value, from: .server) == .unknown(code: answer, payload: value))
    }

    /// Suspend and resume have no value; one that comes all the same changes nothing.
    @Test func suspendWithAValue() {
        #expect(ComPortCommand(payload: [108, 1], from: .server) == .flowControlSuspend)
        #expect(ComPortCommand(payload: [9, 1], from: .client) == .flowControlResume)
    }

    /// Values outside RFC 2217 are kept: whether they make sense is for the reader to say, as with vendors' controls.
    @Test func strangeValuesAreKept() {
        #expect(ComPortCommand(payload: [103, 9], from: .server) == .setParity(9))
        #expect(ComPortCommand(payload: [105, 200], from: .server) == .setControl(ControlValue(rawValue: 200)))
    }

    @Test func codes() {
        let all: [ComPortCommand] = [
            .signature([]), .setBaudRate(0), .setDataSize(0), .setParity(0), .setStopSize(0), .setControl(.queryFlow),
            .notifyLineState([]), .notifyModemState([]), .flowControlSuspend, .flowControlResume,
            .setLineStateMask([]), .setModemStateMask([]), .purgeData(0),
        ]
        #expect(all.map(\.code) == Array(0...12))
        #expect(ComPortCommand.unknown(code: 77, payload: []).code == 77)
    }

    @Test func subjectsOfControlValues() {
        let subjects: [ClosedRange<UInt8>: ControlValue.Subject] = [
            0...3: .flow, 4...6: .lineBreak, 7...9: .dtr, 10...12: .rts, 13...16: .inboundFlow, 17...17: .flow,
            18...18: .inboundFlow, 19...19: .flow, 20...255: .vendor,
        ]
        #expect(subjects.keys.map(\.count).reduce(0, +) == 256)
        for (values, subject) in subjects {
            for value in values { #expect(ControlValue(rawValue: value).subject == subject, "value \(value)") }
        }
    }
}
