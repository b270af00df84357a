/// One side of one Telnet option: the Q method of RFC 1143, which cannot loop.
package struct OptionSide: Sendable, Equatable {
    package enum State: Sendable {
        case no
        case yes
        /// This end has asked to switch the option off and waits; `opposite` is RFC 1143's queue bit.
        case wantNo(opposite: Bool)
        /// This end has asked to switch the option on and waits.
        case wantYes(opposite: Bool)
    }

    /// The message to send next.
    package enum Reply: Sendable, Equatable {
        case none
        /// Send the agreeing verb: WILL (our side) or DO (theirs).
        case agree
        /// Send the refusing verb: WONT (our side) or DONT (theirs).
        case refuse
    }

    package private(set) var state = State.no

    package init() {}

    package var isOn: Bool { if case .yes = state { true } else { false } }
    /// The answer to a request of this end is missing.
    package var isAsked: Bool {
        switch state {
        case .wantNo, .wantYes: true
        case .no, .yes: false
        }
    }

    /// This end wants the option on (true) or off.
    package mutating func request(_ on: Bool) -> Reply {
        switch (state, on) {
        case (.no, true):
            state = .wantYes(opposite: false)
            return .agree
        case (.yes, false):
            state = .wantNo(opposite: false)
            return .refuse
        case (.wantNo, _):
            state = .wantNo(opposite: on)
            return .none
        case (.wantYes, _):
            state = .wantYes(opposite: !on)
            return .none
        case (.no, false), (.yes, true):
            return .none
        }
    }

    /// The peer sent WILL or DO; `willing` says whether this end agrees if it had not asked.
    package mutating func receivedOn(willing: Bool) -> Reply {
        switch state {
        case .no:
            if willing { state = .yes }
            return willing ? .agree : .refuse
        case .yes:
            return .none
        case .wantNo(opposite: false):
            // The peer answered a refusal with an offer, which is an error: the option is off (RFC 1143).
            state = .no
            return .none
        case .wantNo(opposite: true), .wantYes(opposite: false):
            state = .yes
            return .none
        case .wantYes(opposite: true):
            state = .wantNo(opposite: false)
            return .refuse
        }
    }

    /// The peer sent WONT or DONT.
    package mutating func receivedOff() -> Reply {
        switch state {
        case .no:
            return .none
        case .yes:
            state = .no
            return .refuse
        case .wantNo(opposite: false), .wantYes:
            state = .no
            return .none
        case .wantNo(opposite: true):
            state = .wantYes(opposite: false)
            return .agree
        }
    }
}

extension OptionSide.State: Equatable {}

/// All options of one connection, both sides. Replies are appended to an outgoing buffer.
package struct OptionNegotiation: Sendable {
    /// Options that this end agrees to perform (answers WILL to DO), and lets the peer perform (answers DO to WILL).
    private let offered: Set<TelnetOption>
    private let accepted: Set<TelnetOption>
    private var ours: [TelnetOption: OptionSide] = [:]
    private var theirs: [TelnetOption: OptionSide] = [:]

    package init(offered: Set<TelnetOption>, accepted: Set<TelnetOption>) {
        self.offered = offered
        self.accepted = accepted
    }

    /// Whether this end performs the option.
    package func weDo(_ option: TelnetOption) -> Bool { ours[option]?.isOn ?? false }
    /// Whether the peer performs the option.
    package func theyDo(_ option: TelnetOption) -> Bool { theirs[option]?.isOn ?? false }
    /// Whether this end has asked for the option and has no answer yet.
    package func weAsked(_ option: TelnetOption) -> Bool { ours[option]?.isAsked ?? false }

    /// Offers to perform the option (WILL), unless it is on, or offered already.
    package mutating func offer(_ option: TelnetOption, _ output: inout [UInt8]) {
        if ours[option, default: OptionSide()].request(true) == .agree { output.appendTelnet(.will, option) }
    }

    /// Asks the peer to do the option (DO).
    package mutating func ask(_ option: TelnetOption, _ output: inout [UInt8]) {
        if theirs[option, default: OptionSide()].request(true) == .agree { output.appendTelnet(.do, option) }
    }

    /// Handles a verb from the peer; the answer that RFC 1143 requires, if any, is appended to `output`.
    package mutating func receive(_ verb: TelnetVerb, _ option: TelnetOption, _ output: inout [UInt8]) {
        let known = offered.contains(option) || accepted.contains(option)
        // Refuse unknown options without an entry: their state is always `no`.
        guard known else {
            if verb == .will { output.appendTelnet(.dont, option) }
            if verb == .do { output.appendTelnet(.wont, option) }
            return
        }
        let reply: OptionSide.Reply
        switch verb {
        case .do: reply = ours[option, default: OptionSide()].receivedOn(willing: offered.contains(option))
        case .dont: reply = ours[option, default: OptionSide()].receivedOff()
        case .will: reply = theirs[option, default: OptionSide()].receivedOn(willing: accepted.contains(option))
        case .wont: reply = theirs[option, default: OptionSide()].receivedOff()
        }
        let isOurs = verb == .do || verb == .dont
        switch reply {
        case .none: break
        case .agree: output.appendTelnet(isOurs ? .will : .do, option)
        case .refuse: output.appendTelnet(isOurs ? .wont : .dont, option)
        }
    }
}
