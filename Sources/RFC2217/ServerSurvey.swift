import SerialLine

/// Asks a server every question that changes nothing there, one at a time, so that the time of each answer is known.
/// No I/O: bytes from the server and the time go in; `output` must be sent.
package struct ServerSurvey: Sendable {
    /// One question and its answer.
    package struct Answer: Equatable, Sendable {
        /// RFC 2217's name of the command; for SET-CONTROL together with the subject.
        package let name: String
        package let request: ComPortCommand
        /// The answer; nil if none came.
        package fileprivate(set) var value: ComPortCommand?
        /// Time until the answer, in nanoseconds.
        package fileprivate(set) var after: UInt64 = 0

        /// Whether the answer has the subject of the question (sredird's answers to DTR and RTS do not).
        package var isToThePoint: Bool { value?.answerKind == request.answerKind }
    }

    private enum Phase: Equatable {
        case agreeing
        /// Waiting for the answer with this index.
        case asking(Int)
        /// Waiting for a modem state.
        case listening
        case done
    }

    private static let questions: [(String, ComPortCommand)] = [
        ("SET-BAUDRATE", .setBaudRate(0)), ("SET-DATASIZE", .setDataSize(0)), ("SET-PARITY", .setParity(0)),
        ("SET-STOPSIZE", .setStopSize(0)), ("SET-CONTROL flow", .setControl(.queryFlow)),
        ("SET-CONTROL inbound flow", .setControl(.queryInboundFlow)), ("SET-CONTROL break", .setControl(.queryBreak)),
        ("SET-CONTROL DTR", .setControl(.queryDTR)), ("SET-CONTROL RTS", .setControl(.queryRTS)),
        // Both apply to this connection only, and are the values that it begins with.
        ("SET-LINESTATE-MASK", .setLineStateMask([])), ("SET-MODEMSTATE-MASK", .setModemStateMask(Self.modemMask)),
        ("SIGNATURE", .signature([])),
    ]
    private static let modemMask = ModemState(rawValue: 255)
    /// The time allowed for an answer grows with the times of earlier answers; this is the least.
    private static let leastPatience: UInt64 = .milliseconds(250)
    private static let mostPatience: UInt64 = .seconds(1)

    private var client = ComPortClient(traces: true)
    private var phase = Phase.agreeing
    private let began: MonotonicTime
    private var askedAt: MonotonicTime
    private var slowest: UInt64 = 0
    /// Unanswered questions are repeated once: they can be lost while a server opens its own port.
    private var isSecondRound = false
    private var asked: UInt64 = 0

    /// Bytes to send; the caller takes them.
    package var output: [UInt8] = []
    /// When `advance` must be called; nil after the survey.
    package private(set) var deadline: MonotonicTime?
    package private(set) var answers: [Answer]
    /// Time until the server agreed to COM-PORT-OPTION, in nanoseconds; nil if it did not.
    package private(set) var agreedAfter: UInt64?
    /// The reason why the server does not speak RFC 2217.
    package private(set) var refusal = "no answer to COM-PORT-OPTION"
    /// The last modem state it reported.
    package private(set) var modemState: ModemState?
    /// SET-MODEMSTATE-MASK was sent unasked.
    package private(set) var tellsMask = false
    /// A modem state was sent before any Telnet negotiation.
    package private(set) var isEarly = false
    /// The options that the server negotiated: `WILL BINARY`.
    package private(set) var negotiated: Set<String> = []

    /// - Parameter patience: time for the server to agree, in nanoseconds.
    package init(now: MonotonicTime, patience: UInt64) {
        began = now
        askedAt = now
        deadline = now + patience
        answers = Self.questions.map { Answer(name: $0.0, request: $0.1) }
        takeOutput()
        // A plain byte stream with an echo returns this unchanged. The proper question follows later.
        output.appendComPort(.setDataSize(0), from: .client)
    }

    package var isDone: Bool { phase == .done }
    package var isRFC2217: Bool { agreedAfter != nil && (client.hasSpoken || !hasClosed) }
    /// The server has closed the connection.
    package private(set) var hasClosed = false

    /// The data bytes that the server sent before it agreed to the option.
    package var heard: [UInt8] { client.heard }
    /// The request whose answer confirms everything before it; nil if none is known.
    package var barrier: String? { client.barrier(mask: Self.modemMask).flatMap { command in name(of: command) } }

    private func name(of command: ComPortCommand) -> String? { answers.first { $0.request == command }?.name }

    /// The answer to a question; nil if none came.
    package func value(of request: ComPortCommand) -> ComPortCommand? {
        answers.first { $0.request == request }?.value
    }

    /// Bytes from the server.
    package mutating func receive(_ bytes: borrowing Span<UInt8>, now: MonotonicTime) {
        var offset = 0
        while !isDone, let event = client.next(bytes, &offset, now: { now }) {
            switch event {
            case .refused: end("it refuses COM-PORT-OPTION")
            case .echoed: end("it echoes what it receives")
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

    /// Handles a SET-CONTROL answer with another subject than the question. Only one question is open, so the answer
    /// belongs to it.
    private mutating func takeOther(_ value: ControlValue, _ now: MonotonicTime) {
        guard case .asking(let index) = phase, case .setControl = answers[index].request else { return }
        take(.setControl(value), now)
    }

    /// The connection has ended.
    package mutating func close() {
        hasClosed = true
        end("the server closed the connection")
    }

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

    /// Asks the next question without an answer.
    private mutating func ask(from start: Int, _ now: MonotonicTime) {
        // Older questions are given up: later answers to them are ignored.
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
        // Any patience but the client's default, so that the client does not repeat the question itself.
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
