import LineDiscipline
import SerialLine
import SystemPackage

// ioctl(2), by number. An ioctl with an argument in memory arrives twice: first without the memory, to learn how much
// to copy, then with it (FUSE's retry protocol).
extension VirtualTTY {
    /// A program calls ioctl(2); `argument` holds the bytes that were copied in.
    /// - Parameter holds: returns whether the caller has a capability; called only if the ioctl needs one.
    package mutating func ioctl(
        _ id: RequestID, _ file: FileID, _ call: IoctlCall, argument: borrowing Span<UInt8>,
        holds: (Capability) -> Bool
    ) {
        beginEvent()
        let reply = Reply(id)
        guard let open = files[file], !open.isDead else {
            // hung_up_tty_ioctl
            return fail(reply, call.command == Self.TIOCSPGRP ? .notTTY : .ioError)
        }
        switch ioctlOfDiscipline(call, argument: argument, isNetworkAdministrator: { holds(.netAdmin) }) {
        case .notTaken: break
        case .retry(let copyIn, let copyOut):
            return answer(reply, .ioctlRetry(copyIn: copyIn, copyOut: copyOut))
        case .taken(let kind, let discipline): return callDiscipline(reply, file, kind, discipline)
        }
        guard let ioctl = Ioctl(rawValue: call.command) else { return fail(reply, .notTTY) }
        if let error = refusal(of: ioctl, holds) { return fail(reply, error) }
        let copies = call.isCompat ? ioctl.compatCopies : ioctl.copies
        guard argument.count >= copies.in, call.outSize >= copies.out else {
            answer(reply, .ioctlRetry(copyIn: copies.in, copyOut: copies.out))
            isUnchanged = true
            return
        }
        let value = UInt32(truncatingIfNeeded: call.argument)
        switch ioctl {
        case .TCGETS: answerQuery(reply, discipline.termios.bytes)
        case .TCGETS2: answerQuery(reply, discipline.termios.bytes2)
        case .TCGETA: answerQuery(reply, discipline.termios.termioBytes)
        case .TCSETS, .TCSETS2, .TCSETA: setTermios(reply, file, argument.extracting(0..<copies.in))
        case .TCSETSW, .TCSETSW2, .TCSETAW: drainAndSetTermios(reply, file, argument.extracting(0..<copies.in))
        case .TCSETSF, .TCSETSF2, .TCSETAF:
            drainAndSetTermios(reply, file, argument.extracting(0..<copies.in), flushInput: true)
        case .TCSBRK:
            drain(reply, file, value == 0 ? .timedBreak(nanoseconds: .milliseconds(250)) : .answer)
        case .TCSBRKP:
            drain(reply, file, .timedBreak(nanoseconds: .milliseconds(value == 0 ? 250 : UInt64(value) * 100)))
        case .TIOCSBRK: drain(reply, file, .breakOn)
        case .TIOCCBRK: breakOff(reply)
        case .TCXONC: flowAction(reply, value)
        case .TCFLSH: flush(reply, value)
        case .TIOCOUTQ: answerNumber(reply, UInt32(clamping: outputCount()))
        case .FIONREAD: answerNumber(reply, UInt32(clamping: discipline.readableCount), isQuery: true)
        case .TIOCEXCL: setExclusive(reply, true)
        case .TIOCNXCL: setExclusive(reply, false)
        case .TIOCGEXCL: answerNumber(reply, exclusive ? 1 : 0)
        case .TIOCGETD: answerNumber(reply, UInt32(bitPattern: lent.number))
        case .TIOCSETD:
            let number = Int32(bitPattern: argument.littleEndian32(at: 0))
            drain(reply, file, .setDiscipline(number, asNetworkAdministrator: holds(.netAdmin)))
        case .TIOCGWINSZ: answerIoctl(reply, windowSize)
        case .TIOCSWINSZ:
            windowSize.removeAll(keepingCapacity: true)
            windowSize.append(contentsOf: argument, 0..<8)
            answerIoctl(reply)
        case .TIOCMGET: answerNumber(reply, outputs.levels.union(inputs.levels).rawValue, isQuery: true)
        case .TIOCMBIS: changeOutputs(reply, OutputLines.all, mask: lines(argument))
        case .TIOCMBIC: changeOutputs(reply, [], mask: lines(argument))
        case .TIOCMSET: changeOutputs(reply, lines(argument), mask: OutputLines.all)
        case .TIOCMIWAIT: waitForModemChange(reply, file, ModemLines(rawValue: value))
        case .TIOCGICOUNT: answerQuery(reply, counters.icounterBytes)
        case .TIOCGSERIAL: answerIoctl(reply, call.isCompat ? Array(serial.bytes.prefix(copies.out)) : serial.bytes)
        case .TIOCSSERIAL: setSerial(reply, file, argument, holds)
        case .TIOCGRS485: answerIoctl(reply, rs485.settings.bytes)
        case .TIOCSRS485: setRS485(reply, file, SerialRS485(argument))
        case .TIOCGSOFTCAR: answerNumber(reply, discipline.termios.cflag.contains(.CLOCAL) ? 1 : 0)
        case .TIOCSSOFTCAR: setSoftCarrier(reply, file, argument.littleEndian32(at: 0) != 0)
        case .TIOCGLCKTRMIOS: answerIoctl(reply, (termiosLock ?? TermiosLock()).bytes)
        case .TIOCSLCKTRMIOS:
            termiosLock = TermiosLock(argument)
            answerIoctl(reply)
        case .TIOCGDEV: answerNumber(reply, device.encoded)
        case .TIOCSERGETLSR: answerNumber(reply, outputCount() == 0 ? Self.TIOCSER_TEMT : 0)
        case .TIOCSTI:
            inject(argument.extracting(0..<1))
            answerIoctl(reply)
        case .TIOCVHANGUP:
            hangUp("TIOCVHANGUP")
            answerIoctl(reply)
        // Only the kernel can make a controlling terminal; TIOCSCTTY fails with EPERM, as it does for a caller that
        // is not a session leader.
        case .TIOCSCTTY: fail(reply, .notPermitted)
        }
    }

    private static let TIOCSPGRP: UInt32 = 0x5410
    /// TIOCSERGETLSR: the transmitter is empty (<linux/serial.h>).
    private static let TIOCSER_TEMT: UInt32 = 1

    /// The reason why an ioctl fails before its argument is examined; nil if it may continue.
    private func refusal(of ioctl: Ioctl, _ holds: (Capability) -> Bool) -> Errno? {
        switch ioctl {
        // The port is not a controlling terminal, which would allow this without the capability (tiocsti).
        case .TIOCSTI, .TIOCVHANGUP: holds(.sysAdmin) ? nil : .notPermitted
        case .TIOCSLCKTRMIOS: holds(.checkpointRestore) ? nil : .notPermitted
        case .TIOCGRS485, .TIOCSRS485: rs485.isRefused ? .notTTY : nil
        default: nil
        }
    }

    private mutating func answerNumber(_ reply: consuming Reply, _ value: UInt32, isQuery: Bool = false) {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(value)
        answerIoctl(reply, bytes)
        isUnchanged = isQuery
    }

    private mutating func setExclusive(_ reply: consuming Reply, _ on: Bool) {
        exclusive = on
        answerIoctl(reply)
    }

    private mutating func setSerial(
        _ reply: consuming Reply, _ file: FileID, _ argument: borrowing Span<UInt8>, _ holds: (Capability) -> Bool
    ) {
        guard let new = serial.applying(argument, isAdministrator: { holds(.sysAdmin) }) else {
            return fail(reply, .notPermitted)
        }
        serial = new
        // A new meaning of 38400 is sent like any other rate.
        answerOnceSettled(reply, file, sendSettings())
    }

    private func lines(_ argument: borrowing Span<UInt8>) -> ModemLines {
        ModemLines(rawValue: argument.littleEndian32(at: 0))
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
