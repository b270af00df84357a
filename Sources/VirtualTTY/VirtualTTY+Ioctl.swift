import LineDiscipline
import SerialLine
import SystemPackage

// ioctl(2): which number does what. An ioctl with an argument in memory arrives twice: first without, to be told how
// much to copy, then with it (FUSE's retry protocol).
extension VirtualTTY {
    /// A program calls ioctl(2); `argument` holds what was copied in.
    /// - Parameters:
    ///   - isAdministrator: has the caller CAP_SYS_ADMIN? Asked only where it matters.
    ///   - isNetworkAdministrator: has it CAP_NET_ADMIN? The same.
    package mutating func ioctl(
        _ id: RequestID, _ file: FileID, _ call: IoctlCall, argument: borrowing Span<UInt8>,
        isAdministrator: () -> Bool, isNetworkAdministrator: () -> Bool = { false }
    ) {
        beginEvent()
        guard let open = files[file], !open.isDead else { return fail(id, .ioError) }
        if ioctlOfDiscipline(id, file, call, argument: argument, isNetworkAdministrator: isNetworkAdministrator) {
            return
        }
        guard let ioctl = Ioctl(rawValue: call.command) else { return fail(id, .notTTY) }
        let copies = ioctl.copies
        guard argument.count >= copies.in, call.outSize >= copies.out else {
            return answer(id, .ioctlRetry(copyIn: copies.in, copyOut: copies.out))
        }
        let value = UInt32(truncatingIfNeeded: call.argument)
        switch ioctl {
        case .TCGETS: answerIoctl(id, discipline.termios.bytes)
        case .TCGETS2: answerIoctl(id, discipline.termios.bytes2)
        case .TCGETA: answerIoctl(id, discipline.termios.termioBytes)
        case .TCSETS, .TCSETS2, .TCSETA: setTermios(id, file, argument.extracting(0..<copies.in))
        case .TCSETSW, .TCSETSW2, .TCSETAW: drainAndSetTermios(id, file, argument.extracting(0..<copies.in))
        case .TCSETSF, .TCSETSF2, .TCSETAF:
            drainAndSetTermios(id, file, argument.extracting(0..<copies.in), flushInput: true)
        case .TCSBRK:
            drain(id, file, value == 0 ? .timedBreak(nanoseconds: .milliseconds(250)) : .answer)
        case .TCSBRKP:
            drain(id, file, .timedBreak(nanoseconds: .milliseconds(value == 0 ? 250 : UInt64(value) * 100)))
        case .TIOCSBRK: drain(id, file, .breakOn)
        case .TIOCCBRK: breakOff(id)
        case .TCXONC: flowAction(id, value)
        case .TCFLSH: flush(id, value)
        case .TIOCOUTQ: answerNumber(id, UInt32(clamping: outputCount()))
        case .FIONREAD: answerNumber(id, UInt32(clamping: discipline.readableCount))
        case .TIOCEXCL: setExclusive(id, true)
        case .TIOCNXCL: setExclusive(id, false)
        case .TIOCGEXCL: answerNumber(id, exclusive ? 1 : 0)
        case .TIOCGETD: answerNumber(id, UInt32(bitPattern: lent.number))
        case .TIOCSETD:
            let number = Int32(bitPattern: argument.littleEndian32(at: 0))
            drain(id, file, .setDiscipline(number, asNetworkAdministrator: isNetworkAdministrator()))
        case .TIOCGWINSZ: answerIoctl(id, windowSize)
        case .TIOCSWINSZ:
            windowSize.removeAll(keepingCapacity: true)
            windowSize.append(contentsOf: argument, 0..<8)
            answerIoctl(id)
        case .TIOCMGET: answerNumber(id, outputs.union(inputs).rawValue)
        case .TIOCMBIS: changeOutputs(id) { $0.union(ModemLines(rawValue: argument.littleEndian32(at: 0))) }
        case .TIOCMBIC: changeOutputs(id) { $0.subtracting(ModemLines(rawValue: argument.littleEndian32(at: 0))) }
        case .TIOCMSET: changeOutputs(id) { _ in ModemLines(rawValue: argument.littleEndian32(at: 0)) }
        case .TIOCMIWAIT: waitForModemChange(id, file, ModemLines(rawValue: value))
        case .TIOCGICOUNT: answerIoctl(id, counters.icounterBytes)
        case .TIOCGSERIAL: answerIoctl(id, serial.bytes)
        case .TIOCSSERIAL: setSerial(id, file, argument, isAdministrator)
        case .TIOCGRS485: getRS485(id)
        case .TIOCSRS485: setRS485(id, file, SerialRS485(argument))
        }
    }

    private mutating func answerNumber(_ id: RequestID, _ value: UInt32) {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(value)
        answerIoctl(id, bytes)
    }

    private mutating func setExclusive(_ id: RequestID, _ on: Bool) {
        exclusive = on
        answerIoctl(id)
    }

    private mutating func setSerial(
        _ id: RequestID, _ file: FileID, _ argument: borrowing Span<UInt8>, _ isAdministrator: () -> Bool
    ) {
        guard let new = serial.applying(argument, isAdministrator: isAdministrator) else {
            return fail(id, .notPermitted)
        }
        serial = new
        // A new meaning of 38400 goes to the line like any other rate.
        answerOnceSettled(id, file, sendSettings())
    }

    /// Bytes not yet on the line: queued, on the way, and what the line still has to send at its rate.
    private mutating func outputCount() -> Int {
        reckonLineTime()
        let frame = max(lineSettings.frameNanoseconds, 1)
        return untransmitted + Int(clamping: (lineFreeAt.since(now) + frame - 1) / frame)
    }
}

extension LineCounters {
    /// struct serial_icounter_struct: 80 bytes.
    var icounterBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(80)
        for count in [
            cts, dsr, ri, dcd, UInt32(truncatingIfNeeded: received), UInt32(truncatingIfNeeded: transmitted), framing,
            overrun, parity, breaks, bufferOverrun,
        ] { bytes.appendLittleEndian(count) }
        return bytes + [UInt8](repeating: 0, count: 80 - bytes.count)
    }
}
