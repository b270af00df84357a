import SerialLine

/// Notifications, and the sending of commands.
extension ComPortServer {
    /// The far end changed a line: reports it to the client, now or at `deadline`, if the client's mask allows it.
    package mutating func setInputs(_ lines: ModemLines, now: MonotonicTime, _ output: inout [UInt8]) {
        port.inputs = lines
        guard lines != reported else {
            reportDue = nil
            return
        }
        if profile.modemStateInterval == 0 {
            reportChange(&output)
        } else if reportDue == nil {
            reportDue = now + profile.modemStateInterval
        }
    }

    /// When `expire` must be called.
    package var deadline: MonotonicTime? { reportDue }

    /// Sends the reports that are due.
    package mutating func expire(now: MonotonicTime, _ output: inout [UInt8]) {
        guard let due = reportDue, due <= now else { return }
        reportDue = nil
        reportChange(&output)
    }

    /// The line had an error or a break: reports it to the client, if the client's mask allows it.
    /// - Returns: whether it was reported.
    package mutating func notify(_ state: LineState, _ output: inout [UInt8]) -> Bool {
        // RFC 2217: the value is the AND of the line state and the mask; if it is 0, no message is sent.
        let value = state.intersection(lineStateMask).intersection(profile.lineStates)
        guard isActive, profile.notifies, !value.isEmpty else { return false }
        send(.notifyLineState(value), &output)
        return true
    }

    /// Asks the client to stop sending, or to continue, if this server does that.
    package mutating func holdClient(_ on: Bool, _ output: inout [UInt8]) {
        if profile.sendsSuspend && isActive { send(on ? .flowControlSuspend : .flowControlResume, &output) }
    }

    /// Reports a change of the modem lines, as the mask allows: the AND of state and mask, if that is not 0.
    private mutating func reportChange(_ output: inout [UInt8]) {
        let state = ModemState(lines: port.inputs, previous: reported).intersection(modemStateMask)
        reported = port.inputs
        if isActive && profile.notifies && !state.isEmpty { send(.notifyModemState(state), &output) }
    }

    /// Reports the modem lines, changed or not.
    mutating func report(_ output: inout [UInt8]) {
        guard profile.notifies else { return }
        let state = ModemState(lines: port.inputs, previous: reported)
        reported = port.inputs
        reportDue = nil
        send(.notifyModemState(state.intersection(modemStateMask)), &output)
    }

    /// Reports that the line has no errors now: errors are reported when they happen.
    mutating func reportLineState(_ output: inout [UInt8]) {
        if profile.notifies { send(.notifyLineState([]), &output) }
    }

    /// Sends a command, unless this server never sends it or has no room for it.
    mutating func send(_ command: ComPortCommand, _ output: inout [UInt8]) {
        guard !profile.unanswered.contains(command.code) else { return }
        if case .setControl(let value) = command, profile.unansweredControls.contains(value.rawValue) { return }
        let start = output.count
        output.appendComPort(command, from: role(of: command))
        let size = output.count - start
        guard size <= profile.answerBuffer - answered else {
            output.removeLast(size)
            return
        }
        answered += size
    }

    private func role(of command: ComPortCommand) -> ComPortRole {
        guard profile.usesClientCodes else { return .server }
        switch command {
        case .signature, .flowControlSuspend, .flowControlResume: return .client
        default: return .server
        }
    }
}
