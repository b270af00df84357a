import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// RS485: the vendor's SET-CONTROL values switch the mode on and off at the server; the other fields are kept here.
extension VirtualTTY {
    /// TIOCSRS485: active once the server has answered with the same value.
    mutating func setRS485(_ reply: consuming Reply, _ file: FileID, _ argument: SerialRS485) {
        guard argument.isValid else { return fail(reply, .invalidArgument) }
        let wanted = argument.sanitized
        let isSame = wanted.isEnabled == rs485.settings.isEnabled && !rs485.isUnsure && rs485.requests.isEmpty
        if !isSame && remote.isUp {
            let ticket = send(.setControl(rs485Command(wanted.isEnabled)))
            rs485.requests[ticket] = wanted
            let deadline = now + ComPortClient.answerWithin
            return requests.park(
                reply, file, ParkedSetting(.rs485(outcome: nil), tickets: [ticket], deadline: deadline))
        }
        if !isSame {
            // The mode of a known server is sent once the connection is back; for an unknown server the request
            // fails.
            guard rs485.isKnown else { return fail(reply, .ioError) }
            rs485.isUnsure = true
        }
        rs485.settings = wanted
        answerIoctl(reply, wanted.bytes)
    }

    func rs485Command(_ on: Bool) -> ControlValue {
        ControlValue(rawValue: on ? configuration.rs485On : configuration.rs485Off)
    }

    /// The server has answered a request for RS485 mode, or has not (nil). The answer applies even if the program no
    /// longer waits.
    mutating func settleRS485(_ ticket: ComPortClient.Ticket, _ command: ComPortCommand?) {
        guard let wanted = rs485.requests.removeValue(forKey: ticket) else { return }
        if command == .setControl(rs485Command(wanted.isEnabled)) {
            rs485.settings = wanted
            rs485.isKnown = true
            rs485.isUnsure = false
            return noteRS485(.inForce(wanted), for: ticket)
        }
        refuseRS485(wanted, isAnswered: command != nil)
        noteRS485(.refused, for: ticket)
    }

    private mutating func noteRS485(_ outcome: RS485Outcome, for ticket: ComPortClient.Ticket?) {
        for setting in requests.all(ParkedSetting.self) {
            guard case .rs485 = setting.request.what else { continue }
            if let ticket, !setting.request.tickets.contains(ticket) { continue }
            requests.update(setting.id) { (setting: inout ParkedSetting) in setting.what = .rs485(outcome: outcome) }
        }
    }

    private mutating func refuseRS485(_ wanted: SerialRS485, isAnswered: Bool) {
        rs485.isRefused = true
        rs485.isUnsure = false
        // The server has refused to restore the mode, so it is off.
        if wanted == rs485.settings { rs485.settings = SerialRS485() }
        log(
            .notice,
            "the server \(isAnswered ? "refuses" : "does not answer") RS485 mode "
                + "(SET-CONTROL \(rs485Command(wanted.isEnabled).rawValue); see --rs485-codes)")
    }

    /// The time for a request is over. A request that was never sent does not count as refused.
    func rs485TimedOut(_ setting: ParkedSetting) -> RS485Outcome {
        guard let ticket = setting.tickets.first, rs485.requests[ticket] != nil, !transmission.queue.holds(.vendor)
        else {
            return .lost
        }
        return .refused
    }

    /// The connection has ended, and the answers will not come.
    mutating func loseRS485Requests() {
        if !rs485.requests.isEmpty { rs485.isUnsure = true }
        rs485.requests.removeAll()
        noteRS485(.lost, for: nil)
    }
}
