import LineDiscipline
import RFC2217
import SerialLine

// How far output is ahead of the line (`WriteWindow`): when data may be sent, and the questions between the data.
extension VirtualTTY {
    /// Every modem line change is reported.
    static let modemStateMask = ModemState(rawValue: 255)

    /// Whether data must not be sent: output is stopped, or a timed break is active.
    var holdsData: Bool {
        discipline.isOutputStopped || transmission.isSuspended || requests.has(.timedBreak)
    }

    /// Data waits to go to the wire.
    var dataWaits: Bool { transmission.waiting > 0 || requests.has(.write) || lent.isHeldBack }

    /// The server is known to answer a question that changes nothing.
    private var isAsked: Bool { remote.client.barrier(mask: Self.modemStateMask) != nil }

    /// Looks at the clock for more room, if the known room is smaller than `wanted` bytes.
    mutating func openWindow(for wanted: Int) {
        if transmission.windowRoom < wanted {
            transmission.look(&time, frame: lineSettings.frameNanoseconds, isAsked: isAsked)
        }
    }

    /// Sends a harmless question behind the data on the wire: its answer confirms that data.
    mutating func ask() {
        guard let command = remote.client.barrier(mask: Self.modemStateMask) else { return }
        encode(command, remote.makeTicket(), isQuestion: true)
    }

    /// Encodes a command directly behind the bytes on the wire.
    /// - Parameter isQuestion: the server is known to answer it; the deadline includes the time that the line needs
    ///   for all bytes before it.
    mutating func encode(
        _ command: ComPortCommand, _ ticket: ComPortClient.Ticket, isQuestion: Bool = false
    ) {
        var encoded: [UInt8] = []
        let frame = lineSettings.frameNanoseconds
        let patience = isQuestion ? questionPatience(frame) : ComPortClient.answerWithin
        remote.client.encode(command, ticket: ticket, now: now, patience: patience, to: &encoded)
        transmission.append(encoded, ticket, isExpected: isQuestion, &time, frame: frame)
    }

    /// Nanoseconds that an answer may take after the line has sent all bytes before the question.
    private static let questionPatience: UInt64 = .seconds(10)

    private mutating func questionPatience(_ frame: UInt64) -> UInt64 {
        reckonLineTime()
        let onWire = UInt64(transmission.wire.dataCount) &* frame
        return transmission.line.remaining(now) + onWire + Self.questionPatience
    }

    /// Adds the line time of the bytes written to the socket.
    mutating func reckonLineTime() {
        if transmission.line.hasUntimed { transmission.line.reckon(&time, frame: lineSettings.frameNanoseconds) }
    }

    /// While output is known to be held at the far end, the line clock stands still. A break is not a hold: a UART
    /// shifts bytes out under it, and a program that drains before it ends its break must not wait indefinitely.
    mutating func noteHold() {
        let waitsForCTS =
            discipline.termios.cflag.contains(.CRTSCTS) && inputs.isReported && !inputs.levels.contains(.cts)
        let isHeld = transmission.isSuspended || waitsForCTS
        guard isHeld != transmission.line.isHeld else { return }
        reckonLineTime()
        transmission.line.hold(isHeld, &time)
        transmission.forgetRoom()
    }

    /// Repeats an unanswered question while data waits for its answer: the question or the answer may be lost.
    mutating func askAgain() {
        if remote.isUp && dataWaits && transmission.takeAskAgain(&time) { ask() }
    }

    /// When queued data may be sent; nil if another event triggers that.
    mutating func windowDeadline() -> MonotonicTime? {
        guard remote.isUp, !holdsData, dataWaits else { return nil }
        return transmission.refillTime(&time, frame: lineSettings.frameNanoseconds, isAsked: isAsked)
    }

    /// Logs, once for each connection, that only the clock holds output back: the server may have no line.
    mutating func noteWait() {
        let waits = remote.isUp && dataWaits && !holdsData && transmission.isWaitingForClock && !isAsked
        guard transmission.window.waits(waits, &time) else { return }
        log(
            .notice,
            "the server answers no commands, so output is sent at the line's rate, \(lineSettings.baud) baud; "
                + "if there is no physical line, --ahead unlimited sends faster")
    }

    /// When the line, at its rate, will have sent all bytes written to the socket; nil if output is held.
    var lineFreeAt: MonotonicTime? {
        mutating get {
            transmission.lineFreeAt(&time, frame: lineSettings.frameNanoseconds, isAsked: isAsked)
        }
    }

    /// Bytes not sent by the line yet: queued, on the way, and at the far end.
    mutating func outputCount() -> Int {
        let ahead = transmission.aheadCount(&time, frame: lineSettings.frameNanoseconds)
        let inSocket = remote.isUp ? transmission.unacknowledgedData(of: socket.unacknowledged()) : 0
        return transmission.untransmitted + max(ahead - transmission.wire.dataCount, inSocket)
    }
}
