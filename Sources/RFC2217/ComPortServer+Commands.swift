import SerialLine

/// Carries out each command of the client, and answers it.
extension ComPortServer {
    mutating func receive(
        _ command: ComPortCommand, _ now: MonotonicTime, _ output: inout [UInt8]
    ) -> ComPortServerEvent? {
        if (1...5).contains(command.code) && now < deafUntil { return nil }
        switch command {
        case .signature(let text):
            if !text.isEmpty { return .signature(text) }
            if !profile.signature.isEmpty { send(.signature(profile.signature), &output) }
        case .setBaudRate, .setDataSize, .setParity, .setStopSize: return setting(command, &output)
        case .setControl(let value): return control(value, &output)
        case .notifyLineState: poll(6, &output)
        case .notifyModemState: poll(7, &output)
        case .flowControlSuspend: return suspend(true, &output)
        case .flowControlResume: return suspend(false, &output)
        case .setLineStateMask(let mask):
            lineStateMask = mask
            if profile.answersMasksWithState {
                reportLineState(&output)
            } else {
                send(.setLineStateMask(mask), &output)
            }
            return .lineStateMask(mask)
        case .setModemStateMask(let mask):
            modemStateMask = mask
            if !profile.answersMasksWithState { send(.setModemStateMask(mask), &output) }
            if profile.answersMasksWithState || profile.reportsAfterMask { report(&output) }
            return .modemStateMask(mask)
        case .purgeData(let value):
            guard let buffers = PurgeBuffers(rawValue: value) else { return nil }
            if !profile.ignoresPurge { return .request(.purge(buffers)) }
            answer(.purge(buffers), &output)
        // Clients ask for a state with a notification without a value.
        case .unknown(let code, []): poll(code, &output)
        case .unknown: break
        }
        return nil
    }

    private mutating func poll(_ code: UInt8, _ output: inout [UInt8]) {
        guard profile.answersPolls else { return }
        if code == 6 { reportLineState(&output) }
        if code == 7 { report(&output) }
    }

    /// The client's request was carried out, or has failed: `port` contains the current state.
    package mutating func answer(_ request: SerialRequest, succeeded: Bool = true, _ output: inout [UInt8]) {
        guard succeeded || profile.answersFailures else { return }
        guard let answer = answer(to: request, succeeded) else { return }
        let times = if case .purge = request { profile.purgeAnswers } else { 1 }
        for _ in 0..<times { send(answer, &output) }
    }

    private func answer(to request: SerialRequest, _ succeeded: Bool) -> ComPortCommand? {
        switch request {
        case .setBaud: return .setBaudRate(port.settings.baud)
        case .setDataBits: return .setDataSize(port.settings.dataBits.rawValue)
        case .setParity: return .setParity(port.settings.parity.rawValue)
        case .setStopBits: return .setStopSize(port.settings.stopBits.rawValue)
        case .setFlow: return .setControl(.flow(port.settings.flow))
        case .setInboundFlow: return .setControl(.inboundFlow(port.settings.inboundFlow))
        case .setBreak: return .setControl(port.isBreaking ? .breakOn : .breakOff)
        case .setDTR, .setRTS:
            if profile.answersLinesWithFlow { return .setControl(.flow(port.settings.flow)) }
            if case .setDTR = request { return .setControl(port.outputs.contains(.dtr) ? .dtrOn : .dtrOff) }
            return .setControl(port.outputs.contains(.rts) ? .rtsOn : .rtsOff)
        case .setRS485: return .setControl(ControlValue(rawValue: port.isRS485 ? profile.rs485On : profile.rs485Off))
        case .purge(let buffers): return succeeded ? .purgeData(buffers.rawValue) : nil
        case .sendBreak: return nil
        }
    }

    /// SET-BAUDRATE, -DATASIZE, -PARITY, -STOPSIZE: 0 asks for the current value.
    private mutating func setting(_ command: ComPortCommand, _ output: inout [UInt8]) -> ComPortServerEvent? {
        guard let (asks, request, holding) = meaning(of: command) else { return nil }
        if asks {
            answer(holding, &output)
            return nil
        }
        guard let request else { return bad(command, holding, &output) }
        if !profile.appliesFrame && command.code != 1 {
            send(command, &output)
            return nil
        }
        return .request(request)
    }

    /// The meaning of a setting: a query, or a request (nil if RFC 2217 does not define the value); and the request
    /// that would change nothing.
    private func meaning(
        of command: ComPortCommand
    ) -> (asks: Bool, request: SerialRequest?, holding: SerialRequest)? {
        let settings = port.settings
        switch command {
        case .setBaudRate(let value): return (value == 0, .setBaud(nearestBaud(value)), .setBaud(settings.baud))
        case .setDataSize(let value):
            return (value == 0, DataBits(rawValue: value).map { .setDataBits($0) }, .setDataBits(settings.dataBits))
        case .setParity(let value):
            return (value == 0, Parity(rawValue: value).map { .setParity(plain($0)) }, .setParity(settings.parity))
        case .setStopSize(let value):
            return (
                value == 0, StopBits(rawValue: value).map { .setStopBits(plain($0)) }, .setStopBits(settings.stopBits)
            )
        default: return nil
        }
    }

    /// Handles a value that RFC 2217 does not define: the setting remains, and the answer contains it.
    private mutating func bad(
        _ command: ComPortCommand, _ holding: SerialRequest, _ output: inout [UInt8]
    ) -> ComPortServerEvent? {
        if profile.diesOfBadValues { return .died("\(command)") }
        answer(holding, succeeded: false, &output)
        return nil
    }

    private func nearestBaud(_ baud: UInt32) -> UInt32 {
        func distance(_ rate: UInt32) -> UInt32 { rate > baud ? rate - baud : baud - rate }
        return profile.baudRates.min { distance($0) < distance($1) } ?? baud
    }

    private func plain(_ parity: Parity) -> Parity {
        profile.hasPlainFramesOnly && (parity == .mark || parity == .space) ? .none : parity
    }

    private func plain(_ bits: StopBits) -> StopBits {
        profile.hasPlainFramesOnly && bits == .oneAndHalf ? .one : bits
    }

    private mutating func control(_ value: ControlValue, _ output: inout [UInt8]) -> ComPortServerEvent? {
        switch value.rawValue {
        case profile.rs485On where profile.rs485 != .unknown: return rs485(true, &output)
        case profile.rs485Off where profile.rs485 != .unknown: return rs485(false, &output)
        case 0, 17, 19: answerControl(value, .flow(port.settings.flow), &output)
        case 1...3: return FlowControl(rawValue: value.rawValue).map { .request(.setFlow($0)) }
        case 4: answerControl(value, port.isBreaking ? .breakOn : .breakOff, &output)
        case 5, 6: return .request(.setBreak(value == .breakOn))
        case 7: answerControl(value, port.outputs.contains(.dtr) ? .dtrOn : .dtrOff, &output)
        case 8, 9: return .request(.setDTR(value == .dtrOn))
        case 10: answerControl(value, port.outputs.contains(.rts) ? .rtsOn : .rtsOff, &output)
        case 11, 12: return .request(.setRTS(value == .rtsOn))
        case 13, 18: answerControl(value, .inboundFlow(port.settings.inboundFlow), &output)
        case 14...16: return FlowControl(inboundValue: value.rawValue).map { .request(.setInboundFlow($0)) }
        default: break
        }
        return nil
    }

    private mutating func rs485(_ on: Bool, _ output: inout [UInt8]) -> ComPortServerEvent? {
        guard profile.rs485 == .refused else { return .request(.setRS485(on)) }
        send(.setControl(ControlValue(rawValue: profile.rs485Off)), &output)
        return nil
    }

    /// Answers a query of SET-CONTROL, if this server answers it.
    private mutating func answerControl(_ asked: ControlValue, _ value: ControlValue, _ output: inout [UInt8]) {
        if !profile.unansweredControls.contains(asked.rawValue) { send(.setControl(value), &output) }
    }

    private mutating func suspend(_ on: Bool, _ output: inout [UInt8]) -> ComPortServerEvent? {
        guard profile.suspendIsFlowNone else {
            isSuspended = on
            return .suspended(on)
        }
        if on { return .request(.setFlow(.none)) }
        send(.setControl(.flow(port.settings.flow)), &output)
        return nil
    }
}
