import SerialLine

/// The server's end of one RFC 2217 connection: bytes of the client go in, and events come out; answers and
/// notifications are appended to an outgoing buffer. No I/O: the caller owns the serial port, carries requests out,
/// and keeps `port` current, from which queries are answered.
package struct ComPortServer: Sendable {
    /// The state of the serial port that the client may ask for.
    package struct PortState: Equatable, Sendable {
        package var settings: LineSettings
        /// DTR and RTS.
        package var outputs: ModemLines
        /// The lines that the far end drives.
        package var inputs: ModemLines
        package var isBreaking = false
        package var isRS485 = false

        package init(settings: LineSettings = LineSettings(), outputs: ModemLines = [], inputs: ModemLines = []) {
            self.settings = settings
            self.outputs = outputs
            self.inputs = inputs
        }
    }

    package let profile: ServerProfile
    package var port: PortState
    /// The states that the client wants reported; RFC 2217's initial values.
    package internal(set) var lineStateMask: LineState = []
    package internal(set) var modemStateMask = ModemState(rawValue: 255)
    /// COM-PORT commands are exchanged.
    package private(set) var isActive = false
    private var isNegotiated = false
    /// The client has asked the server to stop sending.
    package internal(set) var isSuspended = false

    private var negotiation: OptionNegotiation
    private var decoder = TelnetDecoder()
    /// Whether this connection speaks Telnet; nil until the first bytes show it.
    private var speaksTelnet: Bool?
    /// Settings before this moment are dropped.
    let deafUntil: MonotonicTime
    /// The modem lines last reported, and when a change must be reported.
    var reported: ModemLines
    var reportDue: MonotonicTime?
    /// Bytes of answers to the current read.
    var answered = 0

    /// A connection was accepted.
    package init(_ profile: ServerProfile = ServerProfile(), port: PortState = PortState(), now: MonotonicTime) {
        self.profile = profile
        self.port = port
        reported = port.inputs
        negotiation = OptionNegotiation(offered: profile.offered, accepted: profile.accepted)
        deafUntil = now + profile.deafNanoseconds
        switch profile.telnet {
        case .always: speaksTelnet = true
        case .never, .mute: speaksTelnet = false
        case .ifClientBegins: speaksTelnet = nil
        }
    }

    /// Appends the bytes that the server sends before the client sends anything.
    package mutating func open(_ output: inout [UInt8]) {
        guard profile.telnet != .mute else { return }
        output += profile.banner
        guard profile.telnet == .always else { return }
        if profile.isActiveAtOnce { isActive = true }
        if profile.reportsAtAccept { report(&output) }
        for offer in profile.offers {
            switch offer.verb {
            case .will: negotiation.offer(offer.option, &output)
            case .do: negotiation.ask(offer.option, &output)
            case .wont, .dont: output.appendTelnet(offer.verb, offer.option)
            }
        }
    }

    /// The next event in `input` at or after `offset`, which moves behind it; nil after the last one. One call of
    /// recv(2) is one input, because some servers depend on its bounds.
    package mutating func next(
        _ input: borrowing Span<UInt8>, _ offset: inout Int, now: MonotonicTime, _ output: inout [UInt8]
    ) -> ComPortServerEvent? {
        if offset == 0 { answered = 0 }
        guard decidesForTelnet(input) else { return plain(input, &offset) }
        while true {
            let start = offset
            guard let element = decoder.next(input, &offset) else { return split(start..<input.count) }
            if let event = event(for: element, now, &output) { return event }
        }
    }

    /// Appends data from the line, in this connection's framing.
    package func appendData(_ data: borrowing Span<UInt8>, _ output: inout [UInt8]) {
        if speaksTelnet == true {
            output.appendTelnetData(data)
        } else if profile.telnet != .mute {
            output.append(contentsOf: data, 0..<data.count)
        }
    }

    private mutating func decidesForTelnet(_ input: borrowing Span<UInt8>) -> Bool {
        if let speaksTelnet { return speaksTelnet }
        guard input.count > 0 else { return false }
        let begins =
            input.count > 1 && input[0] == TelnetCommand.iac
            && (input[1] == TelnetCommand.will || input[1] == TelnetCommand.do)
        speaksTelnet = begins
        if begins && profile.isActiveAtOnce { isActive = true }
        return begins
    }

    private func plain(_ input: borrowing Span<UInt8>, _ offset: inout Int) -> ComPortServerEvent? {
        let rest = offset..<input.count
        offset = input.count
        return rest.isEmpty || profile.telnet == .mute ? nil : .data(rest)
    }

    /// The input has ended, possibly inside a subnegotiation.
    private mutating func split(_ rest: Range<Int>) -> ComPortServerEvent? {
        guard decoder.isInsideSubnegotiation, profile.splitSubnegotiation != .isJoined else { return nil }
        decoder = TelnetDecoder()
        return profile.splitSubnegotiation == .leaks && !rest.isEmpty ? .data(rest) : nil
    }

    private mutating func event(
        for element: TelnetElement, _ now: MonotonicTime, _ output: inout [UInt8]
    ) -> ComPortServerEvent? {
        switch element {
        case .data(let range): return .data(range)
        case .command(let command):
            if profile.negotiation == .willElseData { return .bytes([TelnetCommand.iac, command]) }
            return command == TelnetCommand.brk && profile.takesBreakCommand ? .request(.sendBreak) : nil
        case .negotiation(let verb, let option): return negotiate(verb, option, &output)
        case .subnegotiation(let option):
            guard option == .comPort, isActive else { return nil }
            let payload = Array(decoder.payload.prefix(profile.maximumPayload))
            guard let command = ComPortCommand(payload: payload, from: .client) else { return nil }
            return receive(command, now, &output)
        case .malformed: return nil
        }
    }

    private mutating func negotiate(
        _ verb: TelnetVerb, _ option: TelnetOption, _ output: inout [UInt8]
    ) -> ComPortServerEvent? {
        switch profile.negotiation {
        case .standard: break
        case .comPortOnly: if option != .comPort { return nil }
        case .willOnly:
            if verb == .do { return nil }
            if verb != .will { return .died("\(verb) \(option)") }
        case .willElseData:
            if verb != .will { return .bytes([TelnetCommand.iac, verb.rawValue, option.rawValue]) }
        }
        let count = output.count
        negotiation.receive(verb, option, &output)
        if verb == .will && output.count == count && repeatsItself(option) { output.appendTelnet(.do, option) }
        return activate(&output)
    }

    /// Whether WILL is answered again although the option is on already.
    private func repeatsItself(_ option: TelnetOption) -> Bool {
        profile.accepted.contains(option) && (profile.reanswersWill || (profile.repeatsDo && option == .comPort))
    }

    private mutating func activate(_ output: inout [UInt8]) -> ComPortServerEvent? {
        guard !isNegotiated, negotiation.weDo(.comPort) || negotiation.theyDo(.comPort) else { return nil }
        isNegotiated = true
        isActive = true
        if profile.tellsModemMask { send(.setModemStateMask(modemStateMask), &output) }
        report(&output)
        return .negotiated
    }
}
