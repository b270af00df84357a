import SerialLine

/// The client's end of one RFC 2217 connection: the negotiation, the requests that wait for answers, and the kinds of
/// requests that this server answers. No I/O: bytes from the server go in, and events come out; outgoing bytes are
/// appended to `output` (sent ahead of queued data), or encoded by the caller through `encode`.
package struct ComPortClient: Sendable {
    /// Identifies one request, so that a caller can wait for its answer.
    package typealias Ticket = UInt64

    /// An event from the server.
    package enum Event: Equatable, Sendable {
        /// Data for the port: this range of the input.
        case data(Range<Int>)
        /// The server refuses COM-PORT-OPTION.
        case refused
        /// The server returns the bytes that it was sent: it is a plain byte stream with an echo.
        case echoed
        /// The server has answered with this value; the ticket is nil if no request was waiting for it.
        case answered(ComPortCommand, Ticket?)
        case modemState(ModemState)
        case lineState(LineState)
        /// The server asks to stop sending data (true), or to continue.
        case suspended(Bool)
    }

    /// Time without an answer before a request is repeated, and before it counts as unanswered, in nanoseconds.
    package static let resendAfter: UInt64 = .milliseconds(400)
    package static let answerWithin: UInt64 = .milliseconds(1000)
    /// The same after a later request was answered: the server has passed over this one.
    static let passedOver: UInt64 = .milliseconds(100)
    /// After a request has expired, an answer of any value may belong to it for this time, in nanoseconds.
    static let lateWithin: UInt64 = .milliseconds(1000)
    /// After that, an answer with exactly the requested value belongs to the request, and is not news from the
    /// server, for this time, in nanoseconds.
    static let rememberedFor: UInt64 = .seconds(10)
    /// Most text bytes kept from a server that does not speak RFC 2217, for the message about it.
    static let heardLimit = 64

    private struct Request: Sendable {
        let ticket: Ticket
        let command: ComPortCommand
        let kind: AnswerKinds
        var resendAt: MonotonicTime?
        var expiresAt: MonotonicTime
        /// Number of answers still missing: one for each time that the request was sent.
        var owed = 1
        /// The answer to one copy; the answer to the other copy will be equal.
        var answer: ComPortCommand?

        /// A late request is forgotten at this moment.
        var forgottenAt: MonotonicTime { expiresAt + rememberedFor }

        /// Whether an answer can belong to this request: its value is the requested one, or the one answered before,
        /// or the request is a query.
        func explains(_ other: ComPortCommand) -> Bool {
            other == command || other == answer || (command.isQuery && other.answerKind == kind)
        }
    }

    private var decoder = TelnetDecoder()
    private var options = OptionNegotiation(
        offered: [.binary, .suppressGoAhead, .comPort], accepted: [.binary, .echo, .suppressGoAhead, .comPort])
    /// Requests that wait for an answer, in the order sent.
    private var outstanding: [Request] = []
    /// Requests that no longer wait but may still be answered: those sent twice and answered once, and those given
    /// up. Such an answer must not settle a newer request, nor undo a newer setting. In the order sent.
    private var late: [Request] = []
    /// Limit of either list; beyond it the oldest request is given up, or forgotten.
    static let outstandingLimit = 256
    private var dropped: [Ticket] = []
    /// Bytes to send ahead of the queue; the caller takes them.
    package var output: [UInt8] = []
    /// Every command in words, for the log; filled only if `traces` is set. The caller empties it.
    package var trace: [String] = []
    private let traces: Bool

    /// The server has agreed to COM-PORT-OPTION, explicitly or by using it.
    package private(set) var isActive = false
    /// The server has sent a COM-PORT command. Data before the first one may be the server's own text: ser2net agrees to
    /// the option before it says that the serial port is in use.
    package private(set) var hasSpoken = false
    /// Kinds of requests that this server has answered, and not answered, on this connection.
    package private(set) var answered: AnswerKinds = []
    package private(set) var unanswered: AnswerKinds = []
    /// The first data bytes before the server's first COM-PORT command, for a message about a server that does not
    /// speak RFC 2217 or refuses this client.
    package private(set) var heard: [UInt8] = []

    /// Starts a connection: the first bytes are IAC WILL COM-PORT-OPTION. DO is not sent to a server that has not
    /// negotiated yet: esp-link would write it to the UART.
    package init(traces: Bool = false) {
        self.traces = traces
        offer(.comPort)
        offer(.binary)
    }

    private mutating func offer(_ option: TelnetOption) {
        options.offer(option, &output)
        if traces { trace.append("> WILL \(option)") }
    }
}

// Sending.
extension ComPortClient {
    /// Appends a request to `wire` and remembers that an answer is due.
    /// - Parameter patience: time after which it counts as unanswered, in nanoseconds.
    package mutating func encode(
        _ command: ComPortCommand, ticket: Ticket, now: MonotonicTime, patience: UInt64 = answerWithin,
        to wire: inout [UInt8]
    ) {
        wire.appendComPort(command, from: .client)
        if traces { trace.append("> \(command)") }
        guard let kind = command.answerKind else { return }
        if outstanding.count >= Self.outstandingLimit {
            let oldest = outstanding.removeFirst()
            dropped.append(oldest.ticket)
            expectLate(oldest, now)
        }
        if !command.isQuery {
            // Repeated, an earlier setting would undo this one.
            for index in outstanding.indices where outstanding[index].kind == kind { outstanding[index].resendAt = nil }
        }
        outstanding.append(
            Request(
                ticket: ticket, command: command, kind: kind,
                resendAt: AnswerKinds.settings.contains(kind) && patience == Self.answerWithin
                    ? now + Self.resendAfter : nil,
                expiresAt: now + patience))
    }

    /// Whether this server answers requests of this kind, as far as known.
    package func isAnswerExpected(_ kind: AnswerKinds) -> Bool { !unanswered.contains(kind) }

    /// Whether a request of this kind is still waiting, so that a current answer is not final.
    package func isOutstanding(_ kind: AnswerKinds) -> Bool { outstanding.contains { $0.kind == kind } }

    /// A request that changes nothing and that this server is known to answer: its answer confirms everything sent
    /// before it. nil if no such request is known.
    package func barrier(mask: ModemState) -> ComPortCommand? {
        if answered.contains(.modemStateMask) { return .setModemStateMask(mask) }
        return answered.contains(.baudRate) ? .setBaudRate(0) : nil
    }

    /// When `expire` must be called; nil if nothing is waiting.
    package var nextDeadline: MonotonicTime? {
        outstanding.lazy.map { min($0.resendAt ?? $0.expiresAt, $0.expiresAt) }.min()
    }

    /// Repeats the requests that are due, and gives up those that have waited too long.
    /// - Returns: the requests given up.
    package mutating func expire(_ now: MonotonicTime) -> [Ticket] {
        var given = dropped
        dropped.removeAll()
        for index in outstanding.indices {
            if let resendAt = outstanding[index].resendAt, resendAt <= now, outstanding[index].expiresAt > now {
                outstanding[index].resendAt = nil
                outstanding[index].owed += 1
                output.appendComPort(outstanding[index].command, from: .client)
                if traces { trace.append("> \(outstanding[index].command) (again)") }
            }
            if outstanding[index].expiresAt <= now {
                given.append(outstanding[index].ticket)
                if !answered.contains(outstanding[index].kind) { unanswered.insert(outstanding[index].kind) }
                expectLate(outstanding[index], now)
            }
        }
        if !given.isEmpty { outstanding.removeAll { $0.expiresAt <= now } }
        return given
    }

    /// Remembers a request that no longer waits, while a late answer to it may come.
    private mutating func expectLate(_ request: Request, _ now: MonotonicTime) {
        late.removeAll { $0.forgottenAt <= now }
        var request = request
        request.expiresAt = min(request.expiresAt, now + Self.answerWithin) + Self.lateWithin
        guard request.owed > 0, request.expiresAt > now else { return }
        if late.count >= Self.outstandingLimit { late.removeFirst() }
        late.append(request)
    }
}

// Receiving.
extension ComPortClient {
    /// The next event in `input` at or after `offset`, which moves behind it; nil after the last one.
    /// - Parameter now: returns the time; called only if an answer was received.
    package mutating func next(
        _ input: borrowing Span<UInt8>, _ offset: inout Int, now: () -> MonotonicTime
    ) -> Event? {
        while let element = decoder.next(input, &offset) {
            switch element {
            case .data(let range):
                if !hasSpoken { keepHeard(input, range) }
                return .data(range)
            case .negotiation(let verb, let option):
                if let event = negotiate(verb, option) { return event }
            case .subnegotiation(.comPort):
                if let event = subnegotiation(now()) { return event }
            case .subnegotiation(let option):
                if traces { trace.append("< subnegotiation of \(option), ignored") }
            case .command(let command):
                if traces { trace.append("< Telnet command \(command), ignored") }
            case .malformed:
                if traces { trace.append("< malformed subnegotiation, ignored") }
            }
        }
        return nil
    }

    private mutating func keepHeard(_ input: borrowing Span<UInt8>, _ range: Range<Int>) {
        let room = Self.heardLimit - heard.count
        if room > 0 { heard.append(contentsOf: input, range.prefix(room)) }
    }

    private mutating func negotiate(_ verb: TelnetVerb, _ option: TelnetOption) -> Event? {
        if traces { trace.append("< \(verb) \(option)") }
        let before = output.count
        options.receive(verb, option, &output)
        // A server that negotiates other options can also be asked for BINARY.
        if option != .comPort && (verb == .will || verb == .do) { options.ask(.binary, &output) }
        traceReplies(from: before)
        guard option == .comPort else { return nil }
        if verb == .do { isActive = true }
        // WONT is not a refusal: ser2net sends it for its own side. DONT is.
        return verb == .dont && !isActive ? .refused : nil
    }

    private mutating func traceReplies(from start: Int) {
        guard traces else { return }
        for index in stride(from: start, to: output.count - 2, by: 3) {
            if let verb = TelnetVerb(rawValue: output[index + 1]) {
                trace.append("> \(verb) \(TelnetOption(rawValue: output[index + 2]))")
            }
        }
    }

    /// Evaluates the subnegotiation that the decoder holds. A valid one shows that the option is active.
    private mutating func subnegotiation(_ now: MonotonicTime) -> Event? {
        guard let command = ComPortCommand(payload: decoder.payload, from: .server) else { return nil }
        if traces { trace.append("< \(command)") }
        if case .unknown(let code, _) = command {
            // Only clients send these codes: if the server has not sent a command of its own before, it is an echo.
            return !isActive && (1...12).contains(code) ? .echoed : nil
        }
        isActive = true
        hasSpoken = true
        switch command {
        case .notifyModemState(let state): return .modemState(state)
        case .notifyLineState(let state): return .lineState(state)
        case .flowControlSuspend: return .suspended(true)
        case .flowControlResume: return .suspended(false)
        case .signature([]):
            // The server asks for the client's signature.
            output.appendComPort(.signature(Array("ttynvt-swift".utf8)), from: .client)
            return nil
        default:
            if forgetSuperseded(command, now) { return nil }
            return .answered(command, settle(command, now))
        }
    }

    /// Matches an answer to a request.
    /// - Returns: nil if no request waits for it.
    private mutating func settle(_ answer: ComPortCommand, _ now: MonotonicTime) -> Ticket? {
        guard let kind = answer.answerKind else { return nil }
        late.removeAll { $0.forgottenAt <= now }
        let lateMatch = lateRequest(for: answer, kind, now)
        let match = waitingRequest(for: answer, kind, isLate: lateMatch != nil)
        let settled = match.map { outstanding[$0].kind } ?? kind
        answered.insert(settled)
        unanswered.remove(settled)
        if let lateMatch {
            late[lateMatch].answer = answer
            late[lateMatch].owed -= 1
            if late[lateMatch].owed == 0 { late.remove(at: lateMatch) }
        }
        guard let match else { return nil }
        var request = outstanding.remove(at: match)
        request.answer = answer
        if lateMatch == nil {
            request.owed -= 1
            passOver(before: match, now)
        }
        // If a late answer has settled the request, its own answer is still due.
        expectLate(request, now)
        return request.ticket
    }

    /// The late request that an answer can belong to: one with this value. An answer with another value than any
    /// request belongs to the first request without an answer, because a server answers in order.
    private func lateRequest(for answer: ComPortCommand, _ kind: AnswerKinds, _ now: MonotonicTime) -> Int? {
        if let index = late.firstIndex(where: { $0.expiresAt > now && $0.explains(answer) }) { return index }
        if outstanding.contains(where: { $0.explains(answer) }) { return nil }
        return late.firstIndex { $0.expiresAt > now && $0.kind == kind && $0.answer == nil }
    }

    /// Recognizes the very late answer to a setting that a newer setting of its kind has replaced, while none is
    /// waiting.
    /// - Returns: whether the answer is such a one; if so, it says nothing about the current settings.
    private mutating func forgetSuperseded(_ answer: ComPortCommand, _ now: MonotonicTime) -> Bool {
        guard let kind = answer.answerKind, !isOutstanding(kind),
            let index = late.firstIndex(where: { $0.command == answer && $0.expiresAt <= now && $0.forgottenAt > now }),
            late[index...].contains(where: { $0.kind == kind && !$0.command.isQuery && $0.command != answer })
        else { return false }
        answered.insert(kind)
        unanswered.remove(kind)
        late[index].owed -= 1
        if late[index].owed == 0 { late.remove(at: index) }
        return true
    }

    /// The waiting request that an answer belongs to. The value decides first, because a server may leave a request
    /// unanswered; then the order decides.
    /// - Parameter isLate: the answer may be a late one. Then it can only settle the next request in order, and only
    ///   if the value fits: a server that lost the first copy of a request sends no late answer.
    private func waitingRequest(for answer: ComPortCommand, _ kind: AnswerKinds, isLate: Bool) -> Int? {
        if let next = outstanding.firstIndex(where: { $0.kind == kind }), outstanding[next].explains(answer) {
            return next
        }
        if isLate { return nil }
        // sredird answers DTR and RTS requests with the flow control's value.
        let kinds: AnswerKinds = kind == .flow ? [.flow, .dtr, .rts] : kind
        return outstanding.firstIndex { $0.explains(answer) } ?? outstanding.firstIndex { kinds.contains($0.kind) }
    }

    /// Requests older than an answered one will probably stay unanswered: shortens their deadlines.
    private mutating func passOver(before index: Int, _ now: MonotonicTime) {
        for earlier in outstanding.indices.prefix(index) {
            if let resendAt = outstanding[earlier].resendAt {
                outstanding[earlier].resendAt = min(resendAt, now + Self.passedOver)
                outstanding[earlier].expiresAt = min(outstanding[earlier].expiresAt, now + 3 * Self.passedOver)
            } else {
                outstanding[earlier].expiresAt = min(outstanding[earlier].expiresAt, now + Self.passedOver)
            }
        }
    }
}
