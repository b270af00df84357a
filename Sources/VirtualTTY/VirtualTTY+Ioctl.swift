import LineDiscipline
import SerialLine
import SystemPackage

// ioctl(2): which number does what. An ioctl with an argument in memory arrives twice: first without, to be told how
// much to copy, then with it (FUSE's retry protocol).
extension VirtualTTY {
    /// A program calls ioctl(2); `argument` holds what was copied in.
    /// - Parameter holds: has the caller this capability? Asked only where it matters.
    package mutating func ioctl(
        _ id: RequestID, _ file: FileID, _ call: IoctlCall, argument: borrowing Span<UInt8>,
        holds: (Capability) -> Bool
    ) {
        beginEvent()
        guard let open = files[file], !open.isDead else {
            // hung_up_tty_ioctl
            return fail(id, call.command == Self.TIOCSPGRP ? .notTTY : .ioError)
        }
        if ioctlOfDiscipline(id, file, call, argument: argument, isNetworkAdministrator: { holds(.netAdmin) }) {
            return
        }
        guard let ioctl = Ioctl(rawValue: call.command) else { return fail(id, .notTTY) }
        if let error = refusal(of: ioctl, holds) { return fail(id, error) }
        let copies = call.isCompat ? ioctl.compatCopies : ioctl.copies
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
            drain(id, file, .setDiscipline(number, asNetworkAdministrator: holds(.netAdmin)))
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
        case .TIOCGSERIAL: answerIoctl(id, call.isCompat ? Array(serial.bytes.prefix(copies.out)) : serial.bytes)
        case .TIOCSSERIAL: setSerial(id, file, argument, holds)
        case .TIOCGRS485: answerIoctl(id, rs485.settings.bytes)
        case .TIOCSRS485: setRS485(id, file, SerialRS485(argument))
        case .TIOCGSOFTCAR: answerNumber(id, discipline.termios.cflag.contains(.CLOCAL) ? 1 : 0)
        case .TIOCSSOFTCAR: setSoftCarrier(id, file, argument.littleEndian32(at: 0) != 0)
        case .TIOCGLCKTRMIOS: answerIoctl(id, (termiosLock ?? TermiosLock()).bytes)
        case .TIOCSLCKTRMIOS:
            termiosLock = TermiosLock(argument)
            answerIoctl(id)
        case .TIOCGDEV: answerNumber(id, device.encoded)
        case .TIOCSERGETLSR: answerNumber(id, outputCount() == 0 ? Self.TIOCSER_TEMT : 0)
        case .TIOCSTI:
            inject(argument.extracting(0..<1))
            answerIoctl(id)
        case .TIOCVHANGUP:
            hangUp("TIOCVHANGUP")
            vacateIfUnused()
            answerIoctl(id)
        // Only a kernel can make a controlling terminal; a session's leader is told what others are.
        case .TIOCSCTTY: fail(id, .notPermitted)
        }
    }

    private static let TIOCSPGRP: UInt32 = 0x5410
    /// TIOCSERGETLSR: the transmitter is empty (<linux/serial.h>).
    private static let TIOCSER_TEMT: UInt32 = 1

    /// Why an ioctl fails before its argument is looked at; nil where it does not.
    private func refusal(of ioctl: Ioctl, _ holds: (Capability) -> Bool) -> Errno? {
        switch ioctl {
        // No program has this port for its controlling terminal, which would allow it without (tiocsti).
        case .TIOCSTI, .TIOCVHANGUP: holds(.sysAdmin) ? nil : .notPermitted
        case .TIOCSLCKTRMIOS: holds(.checkpointRestore) ? nil : .notPermitted
        case .TIOCGRS485, .TIOCSRS485: rs485.isRefused ? .notTTY : nil
        default: nil
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
        _ id: RequestID, _ file: FileID, _ argument: borrowing Span<UInt8>, _ holds: (Capability) -> Bool
    ) {
        guard let new = serial.applying(argument, isAdministrator: { holds(.sysAdmin) }) else {
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
        let onLine = Int(clamping: (lineFreeAt.since(now) + frame - 1) / frame)
        return untransmitted + max(onLine, unacknowledgedData)
    }

    /// Bytes of data, at the most, that the socket has sent and its peer has not acknowledged.
    private var unacknowledgedData: Int {
        guard isLinkUp, acceptedBytes != drainedBytes else { return 0 }
        // What else it has sent is commands.
        let sent = Int(clamping: acceptedBytes &- drainedBytes) - untransmitted
        return max(0, min(unacknowledged(), sent))
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
