import Platform
import RFC2217
import SerialLine
import SystemPackage

/// The line side of a port.
extension VirtualPort {
    private static let xon: UInt8 = 0x11
    private static let xoff: UInt8 = 0x13
    /// Length of a break by IAC BRK, in nanoseconds.
    private static let breakLength: UInt64 = .milliseconds(250)

    /// Whether the transmit buffer is stopped.
    var isHeld: Bool {
        state.isBreaking || isStoppedByXOFF || (state.settings.flow == .hardware && !state.inputs.contains(.cts))
    }

    /// Bytes from the line that can be taken; without a client there is no limit, and they are lost.
    var receiveRoom: Int { client == nil ? Int.max : received.room }

    /// Bytes from a device that can be taken.
    var deviceRoom: Int { pacesDevice ? arriving.room : receiveRoom }

    /// Whether the simulator paces the device's bytes.
    private var pacesDevice: Bool { configuration.isPaced && device?.isPacedBySimulator ?? false }

    /// Whether the simulator paces the client's bytes.
    var pacesClient: Bool { configuration.isPaced && device?.isPacedBySimulator ?? true }

    /// The time that one byte takes on the line, in nanoseconds.
    var lineFrame: UInt64 {
        let frame = state.settings.frameNanoseconds
        let percent = configuration.rateErrorPercent
        return percent == 0 ? frame : UInt64(Double(frame) / (1 + percent / 100))
    }

    /// Bytes arrive from the device.
    func arrive(_ bytes: borrowing Span<UInt8>) {
        if pacesDevice { arriving.append(bytes, 0..<bytes.count) } else { receive(bytes) }
    }

    /// Passes on the device's bytes at the pace of the line.
    func receiveArriving(_ now: MonotonicTime) -> Bool {
        guard !arriving.isEmpty else { return false }
        let limit = min(arriving.count, receiveRoom)
        let count = arrivalPacer.leave(waiting: limit, frame: lineFrame, now: now)
        arriving.withFront(count) { receive($0) }
        arriving.drop(count)
        return count > 0
    }

    /// Lets bytes of the transmit buffer leave the line. `transmitToLine` passes them to the far end.
    /// - Returns: the number of bytes that have left now.
    @discardableResult
    func depart(_ now: MonotonicTime) -> Int {
        guard !isHeld else {
            pacer.stop()
            return 0
        }
        guard !transmit.isEmpty else { return 0 }
        let left = pacesClient ? leaveAtPace(now) : transmit.count - departed
        if left > 0 {
            departed += left
            lineCount += left
            configuration.lineObserver?(index, pacesClient ? pacer.lastLeft : now, lineCount)
        }
        return left
    }

    /// Moves bytes from the transmit buffer to the far end.
    /// - Returns: whether any byte was moved.
    @discardableResult
    func transmitToLine(_ now: MonotonicTime) -> Bool {
        depart(now)
        guard !transmit.isEmpty, !isHeld else { return false }
        let moved = deliver(min(departed, peer?.receiveRoom ?? Int.max))
        transmit.drop(moved)
        departed -= moved
        updateClientHold()
        return moved > 0
    }

    /// - Returns: the number of further bytes that have left the line.
    private func leaveAtPace(_ now: MonotonicTime) -> Int {
        let left = pacer.leave(waiting: transmit.count - departed, prompt: prompt, frame: lineFrame, now: now)
        prompt = max(prompt - left, 0)
        return left
    }

    /// - Returns: how many of the first `count` bytes the far end took.
    private func deliver(_ count: Int) -> Int {
        guard count > 0 else { return 0 }
        if let device { return transmit.withFront(count) { device.transmit($0) } }
        guard let peer else { return count }
        let isDeaf = peer === self && state.isRS485 && configuration.profile.isDeafInHalfDuplex
        if !isDeaf { transmit.withFront(count) { peer.receive($0) } }
        return count
    }

    func purgeTransmit() {
        transmit.removeAll()
        departed = 0
        pacer.stop()
        updateClientHold()
    }

    /// Asks the client to stop sending data, or to continue, as the transmit buffer fills and empties.
    private func updateClientHold() {
        guard configuration.profile.sendsSuspend, let client else { return }
        let holds = client.isHeld ? transmit.count > transmit.capacity / 4 : transmit.room < transmit.capacity / 4
        guard holds != client.isHeld else { return }
        client.isHeld = holds
        client.server.holdClient(holds, &client.outgoing.storage)
    }

    /// Bytes arrive from the line.
    func receive(_ bytes: borrowing Span<UInt8>) {
        guard state.settings.flow == .xonXoff else { return receiveUnfiltered(bytes) }
        var start = 0
        for index in 0..<bytes.count where bytes[index] == Self.xon || bytes[index] == Self.xoff {
            receiveUnfiltered(bytes.extracting(start..<index))
            isStoppedByXOFF = bytes[index] == Self.xoff
            start = index + 1
        }
        receiveUnfiltered(bytes.extracting(start..<bytes.count))
    }

    private func receiveUnfiltered(_ bytes: borrowing Span<UInt8>) {
        guard client != nil else { return }
        guard let plan = configuration.faults.lineErrors else { return received.append(bytes, 0..<bytes.count) }
        var start = 0
        while bytes.count - start >= bytesToError {
            let bad = start + bytesToError - 1
            received.append(bytes, start..<bad)
            receive(plan.states[plannedErrors % plan.states.count], byte: bytes[bad])
            plannedErrors += 1
            bytesToError = plan.interval
            start = bad + 1
        }
        received.append(bytes, start..<bytes.count)
        bytesToError -= bytes.count - start
    }

    /// A byte arrives with an error, or a break. As on a serial port of the kernel, if the client has not asked for
    /// reports, a bad byte is passed on unchanged, and a break as a NUL.
    func receive(_ error: LineState, byte: UInt8? = nil) {
        guard let client else { return }
        // The report is sent before the byte, and behind all bytes before it.
        encodeReceived(client)
        let isTold = client.server.notify(error, &client.outgoing.storage)
        if error.contains(.breakDetected) && !isTold { received.storage.append(0) }
        if let byte, !(isTold && configuration.profile.dropsBadBytes) { received.storage.append(byte) }
    }

    func carryOut(_ request: SerialRequest, _ now: MonotonicTime) {
        // Earlier bytes that can leave have left.
        transmitToLine(now)
        guard let client else { return }
        let isDone = perform(request, now)
        client.server.port = state
        observe(isDone ? .request(request) : .failed(request))
        client.server.answer(request, succeeded: isDone, &client.outgoing.storage)
        peer?.updateInputs(now)
    }

    private func perform(_ request: SerialRequest, _ now: MonotonicTime) -> Bool {
        switch request {
        case .setBreak(let on): return setBreak(on)
        case .sendBreak:
            breakEnds = now + Self.breakLength
            return setBreak(true)
        case .purge(let buffers):
            if buffers != .transmit { received.removeAll() }
            if buffers != .receive { purgeTransmit() }
        default: break
        }
        if case .setFlow = request { isStoppedByXOFF = false }
        guard let device else {
            state.apply(request)
            return true
        }
        do {
            try device.perform(request, &state)
            return true
        } catch {
            return false
        }
    }

    @discardableResult
    func setBreak(_ on: Bool) -> Bool {
        if !on { breakEnds = nil }
        let begins = on && !state.isBreaking
        if let device {
            do { try device.perform(.setBreak(on), &state) } catch { return false }
        } else {
            state.isBreaking = on
        }
        client?.server.port = state
        if begins { peer?.receive(.breakDetected) }
        return true
    }

    /// Determines the current lines, and reports a change to the client.
    func updateInputs(_ now: MonotonicTime) {
        var lines = device?.inputs ?? []
        if let peer {
            if peer.state.outputs.contains(.rts) { lines.insert(.cts) }
            if peer.state.outputs.contains(.dtr) { lines.formUnion([.dsr, .dcd]) }
        }
        lines.formSymmetricDifference(toggled)
        lines = lines.subtracting(forcedMask).union(forcedLines)
        guard lines != state.inputs else { return }
        state.inputs = lines
        if let client { client.server.setInputs(lines, now: now, &client.outgoing.storage) }
    }

    /// One line changes, by `Faults.modemChangeInterval`.
    func changeModemLine(_ now: MonotonicTime) {
        let lines: [ModemLines] = [.ri, .dcd, .dsr, .cts]
        toggled.formSymmetricDifference(lines[modemChanges / 2 % lines.count])
        modemChanges += 1
        nextModemChange = configuration.faults.modemChangeInterval.map { now + $0 }
        updateInputs(now)
    }
}
