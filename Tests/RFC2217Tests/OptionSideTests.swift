import RFC2217
import Testing

/// Everything that can happen to one side of an option.
enum OptionEvent: CaseIterable, Sendable {
    case requestOn
    case requestOff
    /// WILL or DO, where we would agree and where we would not.
    case onWilling
    case onUnwilling
    /// WONT or DONT.
    case off
}

extension OptionSide {
    mutating func take(_ event: OptionEvent) -> Reply {
        switch event {
        case .requestOn: request(true)
        case .requestOff: request(false)
        case .onWilling: receivedOn(willing: true)
        case .onUnwilling: receivedOn(willing: false)
        case .off: receivedOff()
        }
    }

    init(after events: [OptionEvent]) {
        self.init()
        for event in events { _ = take(event) }
    }
}

@Suite struct OptionSideTests {
    /// A state of RFC 1143, the way to it, and what each event makes of it, in the order of `OptionEvent`.
    struct Row: Sendable, CustomTestStringConvertible {
        let state: OptionSide.State
        let way: [OptionEvent]
        let results: [(OptionSide.State, OptionSide.Reply)]

        var testDescription: String { "\(state)" }
    }

    /// RFC 1143, section 7, row by row.
    static let table: [Row] = [
        Row(
            state: .no, way: [],
            results: [
                (.wantYes(opposite: false), .agree),
                (.no, .none),
                (.yes, .agree),
                (.no, .refuse),
                (.no, .none),
            ]),
        Row(
            state: .yes, way: [.onWilling],
            results: [
                (.yes, .none),
                (.wantNo(opposite: false), .refuse),
                (.yes, .none),
                (.yes, .none),
                (.no, .refuse),
            ]),
        Row(
            state: .wantNo(opposite: false), way: [.onWilling, .requestOff],
            results: [
                (.wantNo(opposite: true), .none),
                (.wantNo(opposite: false), .none),
                (.no, .none),
                (.no, .none),
                (.no, .none),
            ]),
        Row(
            state: .wantNo(opposite: true), way: [.onWilling, .requestOff, .requestOn],
            results: [
                (.wantNo(opposite: true), .none),
                (.wantNo(opposite: false), .none),
                (.yes, .none),
                (.yes, .none),
                (.wantYes(opposite: false), .agree),
            ]),
        Row(
            state: .wantYes(opposite: false), way: [.requestOn],
            results: [
                (.wantYes(opposite: false), .none),
                (.wantYes(opposite: true), .none),
                (.yes, .none),
                (.yes, .none),
                (.no, .none),
            ]),
        Row(
            state: .wantYes(opposite: true), way: [.requestOn, .requestOff],
            results: [
                (.wantYes(opposite: false), .none),
                (.wantYes(opposite: true), .none),
                (.wantNo(opposite: false), .refuse),
                (.wantNo(opposite: false), .refuse),
                (.no, .none),
            ]),
    ]

    @Test(arguments: table) func everyEvent(_ row: Row) {
        #expect(OptionSide(after: row.way).state == row.state)
        #expect(row.results.count == OptionEvent.allCases.count)
        for (event, result) in zip(OptionEvent.allCases, row.results) {
            var side = OptionSide(after: row.way)
            #expect(side.take(event) == result.1, "reply to \(event)")
            #expect(side.state == result.0, "state after \(event)")
        }
    }

    @Test(arguments: table) func questions(_ row: Row) {
        let side = OptionSide(after: row.way)
        #expect(side.isOn == (row.state == .yes))
        #expect(side.isAsked == (row.state != .yes && row.state != .no))
    }

    /// A repeated offer or refusal is answered once; once more if it arrived while a request was open, because the
    /// first one was the answer to that request.
    @Test(arguments: table, [OptionEvent.onWilling, .off]) func repetitions(_ row: Row, _ event: OptionEvent) {
        var side = OptionSide(after: row.way)
        let most = side.isAsked ? 2 : 1
        var replies: [OptionSide.Reply] = []
        for _ in 0..<10 { replies.append(side.take(event)) }
        #expect(replies.count { $0 != .none } <= most, "\(replies)")
        #expect(replies.suffix(6).allSatisfy { $0 == .none })
    }
}
