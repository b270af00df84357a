import SerialLine

/// Asks a server everything that can be asked without changing anything there, one thing at a time, so that each answer
/// has its time. No I/O: bytes from the server and the time go in, `output` is to be sent.
package struct ServerSurvey: Sendable {
    /// One thing asked.
    package struct Answer: Equatable, Sendable {
        /// RFC 2217's name of the command; for SET-CONTROL with what it is about.
        package let name: String
        package let request: ComPortCommand
        /// What came back; nil where nothing did.
        package fileprivate(set) var value: ComPortCommand?
        /// How long that took, in nanoseconds.
        package fileprivate(set) var after: UInt64 = 0

        /// The answer is about what was asked (sredird's to DTR and RTS is not).
        package var isToThePoint: Bool { value?.answerKind == request.answerKind }
    }

    private enum Phase: Equatable {
        case agreeing
        /// The answer with this index is waited for.
        case asking(Int)
        /// A modem state may still come.
        case listening
        case done
    }

    private static let questions: [(String, ComPortCommand)] = [
        ("SET-BAUDRATE", .setBaudRate(0)), ("SET-DATASIZE", .setDataSize(0)), ("SET-PARITY", .setParity(0)),
        ("SET-STOPSIZE", .setStopSize(0)), ("SET-CONTROL flow", .setControl(.queryFlow)),
        ("SET-CONTROL inbound flow", .setControl(.queryInboundFlow)), ("SET-CONTROL break", .setControl(.queryBreak)),
        ("SET-CONTROL DTR", .setControl(.queryDTR)), ("SET-CONTROL RTS", .setControl(.queryRTS)),
        // Both count for this connection alone, and are what it begins with.
        ("SET-LINESTATE-MASK", .setLineStateMask([])), ("SET-MODEMSTATE-MASK", .setModemStateMask(Self.modemMask)),
        ("SIGNATURE", .signature([])),
    ]
    private static let modemMask = ModemState(rawValue: 255)
    /// An answer takes as long as others did, or a few times that.
    private static let leastPatience: UInt64 = .milliseconds(250)
    private static let mostPatience: UInt64 = .seconds(1)

    private var client = ComPortClient(traces: true)
    private var phase = Phase.agreeing
    private let began: MonotonicTime
    private var askedAt: MonotonicTime
    private var slowest: UInt64 = 0
    /// Unanswered questions are asked a second time: they can vanish while a server opens its own port.
    private var isSecondRound = false
    private var asked: UInt64 = 0

    /// What is to be sent; the caller takes it.
    package var output: [UInt8] = []
    /// When `advance` is to be called; nil once it is done.
    package private(set) var deadline: MonotonicTime?
    package private(set) var answers: [Answer]
    /// How long the server took to agree to COM-PORT-OPTION, in nanoseconds; nil where it did not.
    package private(set) var agreedAfter: UInt64?
    /// Why it is no RFC 2217 server.
    package private(set) var refusal = "no answer to COM-PORT-OPTION"
    /// The last modem state it reported.
    package private(set) var modemState: ModemState?
    /// SET-MODEMSTATE-MASK came unasked.
    package private(set) var tellsMask = false
    /// A modem state came before any word of Telnet's.
    package private(set) var isEarly = false
    /// The options it spoke of, in words: `WILL BINARY`.
    package private(set) var negotiated: Set<String> = []

    /// - Parameter patience: for the server to agree, in nanoseconds.
    package init(now: MonotonicTime, patience: UInt64) {
        began = now
        askedAt = now
        deadline = now + patience
        answers = Self.questions.map { Answer(name: $0.0, request: $0.1) }
        takeOutput()
        // Comes back as it is from a plain byte stream with an echo behind it. Asked properly later.
        output.appendComPort(.setDataSize(0), from: .client)
    }

    package var isDone: Bool { phase == .done }
    package var isRFC2217: Bool { agreedAfter != nil }
    /// What it said as data before it agreed to the option.
    package var heard: [UInt8] { client.heard }
    /// The request whose answer shows that everything before it was taken; nil where none is known.
    package var barrier: String? { client.barrier(mask: Self.modemMask).flatMap { command in name(of: command) } }

    private func name(of command: ComPortCommand) -> String? { answers.first { $0.request == command }?.name }

    /// What it answered to a question; nil where it did not.
    package func value(of request: ComPortCommand) -> ComPortCommand? {
        answers.first { $0.request == request }?.value
    }

    /// Bytes from the server.
    package mutating func receive(_ bytes: borrowing Span<UInt8>, now: MonotonicTime) {
        var offset = 0
        while !isDone, let event = client.next(bytes, &offset, now: { now }) {
            switch event {
            case .refused: end("it refuses COM-PORT-OPTION")
            case .echoed: end("it sends back what it is sent")
            case .modemState(let state):
                takeWords()
                isEarly = isEarly || negotiated.isEmpty
                modemState = state
            case .answered(.setModemStateMask, nil): tellsMask = true
            case .answered(let command, .some): take(command, now)
            case .answered(.setControl(let value), nil): takeOther(value, now)
            case .answered, .data, .lineState, .suspended: break
            }
        }
        takeOutput()
        if phase == .agreeing && client.isActive {
            agreedAfter = now.since(began)
            slowest = now.since(began)
            ask(from: 0, now)
        }
    }

    private mutating func take(_ command: ComPortCommand, _ now: MonotonicTime) {
        guard case .asking(let index) = phase else { return }
        answers[index].value = command
        answers[index].after = now.since(askedAt)
        slowest = max(slowest, answers[index].after)
        ask(from: index + 1, now)
    }

    /// A SET-CONTROL answer about something else than was asked. Only one question is open, so that it answers that one.
    private mutating func takeOther(_ value: ControlValue, _ now: MonotonicTime) {
        guard case .asking(let index) = phase, case .setControl = answers[index].request else { return }
        take(.setControl(value), now)
    }

    /// The connection has ended.
    package mutating func close() { end("the server closed the connection") }

    private mutating func end(_ why: String) {
        if !isRFC2217 { refusal = why }
        phase = .done
        deadline = nil
    }

    /// Time has passed.
    package mutating func advance(now: MonotonicTime) {
        guard let deadline, deadline <= now else { return }
        switch phase {
        case .agreeing, .listening, .done: end(refusal)
        case .asking(let index): ask(from: index + 1, now)
        }
    }

    /// Asks the next thing that has no answer yet.
    private mutating func ask(from start: Int, _ now: MonotonicTime) {
        // What is still outstanding is given up: an answer that comes later counts for nothing here.
        _ = client.expire(now + .seconds(3600))
        guard let index = answers.indices.dropFirst(start).first(where: { answers[$0].value == nil }) else {
            if start > 0 && !isSecondRound {
                isSecondRound = true
                return ask(from: 0, now)
            }
            phase = modemState == nil ? .listening : .done
            deadline = modemState == nil ? now + Self.leastPatience : nil
            return
        }
        phase = .asking(index)
        askedAt = now
        let patience = min(max(slowest &* 4, Self.leastPatience), Self.mostPatience)
        deadline = now + patience
        asked += 1
        // Any patience but the client's own: it is not to ask again by itself.
        client.encode(answers[index].request, ticket: asked, now: now, patience: patience + 1, to: &output)
    }

    private mutating func takeOutput() {
        output += client.output
        client.output.removeAll()
        takeWords()
    }

    private mutating func takeWords() {
        for line in client.trace {
            for verb in ["WILL ", "WONT ", "DO ", "DONT "] where line.hasPrefix("< " + verb) {
                negotiated.insert(String(line.dropFirst(2)))
            }
        }
        client.trace.removeAll()
    }
}
