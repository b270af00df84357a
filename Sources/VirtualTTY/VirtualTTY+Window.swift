import LineDiscipline
import RFC2217
import SerialLine

// How far output goes ahead of the line (`WriteWindow`): when data goes on, and the questions between the data.
extension VirtualTTY {
    /// Every change of a modem line is wanted.
    static let modemStateMask = ModemState(rawValue: 255)

    /// May no data go to the wire? Not while output is stopped, nor inside a timed break.
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

    /// Asks something harmless behind the data on the wire: its answer shows how far the server is.
    mutating func ask() {
        guard let command = remote.client.barrier(mask: Self.modemStateMask) else { return }
        encode(command, remote.makeTicket(), isQuestion: true)
    }

    /// Encodes a command right behind what is on the wire.
    /// - Parameter isQuestion: the server is known to answer it, and has time for it until the line has sent all bytes
    ///   before it.
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

    /// Adds the time that what has gone to the socket takes on the line.
    mutating func reckonLineTime() {
        if transmission.line.hasUntimed { transmission.line.reckon(&time, frame: lineSettings.frameNanoseconds) }
    }

    /// Output that is known to be held at the far end does not go on with the time. A break is no hold: a uart goes on
    /// shifting bytes out under it, and a program that drains before it ends its break must not wait for ever.
    mutating func noteHold() {
        let waitsForCTS =
            discipline.termios.cflag.contains(.CRTSCTS) && inputs.isReported && !inputs.levels.contains(.cts)
        let isHeld = transmission.isSuspended || waitsForCTS
        guard isHeld != transmission.line.isHeld else { return }
        reckonLineTime()
        transmission.line.hold(isHeld, &time)
        transmission.forgetRoom()
    }

    /// A question that was not answered is asked once more, while data waits for its answer: it may have got lost.
    mutating func askAgain() {
        if remote.isUp && dataWaits && transmission.takeAskAgain(&time) { ask() }
    }

    /// When waiting data goes on; nil if another event lets it go.
    mutating func windowDeadline() -> MonotonicTime? {
        guard remote.isUp, !holdsData, dataWaits else { return nil }
        return transmission.refillTime(&time, frame: lineSettings.frameNanoseconds, isAsked: isAsked)
    }

    /// Says once for each connection that the clock alone holds output back: there may be no line behind the server.
    mutating func noteWait() {
        let waits = remote.isUp && dataWaits && !holdsData && transmission.isWaitingForClock && !isAsked
        guard transmission.window.waits(waits, &time) else { return }
        log(
            .notice,
            "the server answers no command: output goes at the line's rate, \(lineSettings.baud) baud; "
                + "--ahead unlimited lets it go faster if there is no line behind the server")
    }

    /// When the line, by its rate, will have sent all that has gone to the socket; nil if it is held.
    var lineFreeAt: MonotonicTime? {
        mutating get {
            transmission.lineFreeAt(&time, frame: lineSettings.frameNanoseconds, isAsked: isAsked)
        }
    }

    /// Bytes not yet on the line: queued, on the way, and what the line still has to send.
    mutating func outputCount() -> Int {
        let ahead = transmission.aheadCount(&time, frame: lineSettings.frameNanoseconds)
        let inSocket = remote.isUp ? transmission.unacknowledgedData(of: socket.unacknowledged()) : 0
        return transmission.untransmitted + max(ahead - transmission.wire.dataCount, inSocket)
    }
}
