import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import VirtualTTY

/// A request that a program waits for.
struct Request {
    enum Kind {
        case open
        case read(Int)
        case write([UInt8])
        case ioctl(Ioctl)
        case poll
        case release
    }

    let kind: Kind
    let file: FileID?
    let since: MonotonicTime
}

extension World {
    private func ask(
        _ kind: Request.Kind, _ file: FileID?, _ what: String, _ body: (inout VirtualTTY, RequestID) -> Void
    ) {
        lastID += 1
        let id = RequestID(rawValue: lastID)
        waiting[id] = Request(kind: kind, file: file, since: clock.now)
        event(.cuse, "\(lastID): \(what)") { body(&$0.tty, id) }
    }

    /// Programs do something. The kernel's requests come one after the other, in the CUSE thread.
    func program() {
        guard threads[ThreadName.cuse.rawValue].isIdle else { return }
        guard let file = files.isEmpty ? nil : tape.pick(files) else {
            return waiting.isEmpty || tape.below(2) == 0 ? open() : interruptSomething()
        }
        switch tape.below(14) {
        case 0: open()
        case 1 where files.count > 1 || !isExact: close(file)
        case 2, 3, 4: write(file)
        case 5, 6: read(file)
        case 7: set(file)
        case 8: ioctl(file, .TCSBRK, value: tape.pick([1, 1, 0]))
        case 9: setLines(file)
        case 10: ioctl(file, .TCFLSH, value: isExact ? 3 : UInt64(tape.below(3)))
        case 11: interruptSomething()
        case 12: poll(file)
        case 13 where !isExact: kill(file)
        default: ioctl(file, tape.pick([.TIOCSBRK, .TIOCCBRK, .TIOCMGET, .TIOCOUTQ]), out: true)
        }
    }

    func open() {
        let nonBlocking = tape.below(3) == 0
        ask(.open, nil, "open") { tty, id in tty.open(id, nonBlocking: nonBlocking) { true } }
    }

    func close(_ file: FileID) {
        files.removeAll { $0 == file }
        closing += 1
        ask(.release, file, "close \(file.rawValue)") { tty, id in tty.release(id, file) }
    }

    /// A program is killed: its requests are interrupted, and its file is closed once they are answered.
    private func kill(_ file: FileID) {
        for (id, request) in waiting.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where request.file == file {
            interrupt(id)
        }
        if !waiting.values.contains(where: { $0.file == file }) { close(file) }
    }

    private func interruptSomething() {
        let ids = waiting.keys.sorted { $0.rawValue < $1.rawValue }
        if !ids.isEmpty { interrupt(tape.pick(ids)) }
    }

    func interrupt(_ id: RequestID) {
        guard threads[ThreadName.cuse.rawValue].isIdle else { return }
        event(.cuse, "interrupt \(id.rawValue)") { $0.tty.interrupt(id) }
    }

    private func write(_ file: FileID) {
        let bytes = freshBytes(tape.pick([1, 10, 700, 5000]))
        let nonBlocking = tape.below(3) == 0
        ask(.write(bytes), file, "write \(bytes.count)") { tty, id in
            tty.write(id, file, bytes.span, nonBlocking: nonBlocking)
        }
    }

    private func read(_ file: FileID) {
        let count = tape.pick([1, 100, 9000])
        let nonBlocking = tape.below(2) == 0
        ask(.read(count), file, "read \(count)") { tty, id in tty.read(id, file, count: count, nonBlocking: nonBlocking)
        }
    }

    private func poll(_ file: FileID) {
        ask(.poll, file, "poll") { tty, id in tty.poll(id, file, events: 0x145, notifies: true) }
    }

    /// Raw settings; what would hide a loss is left out of exact schedules.
    func set(_ file: FileID) {
        var termios = Termios()
        termios.iflag = []
        termios.oflag = []
        termios.lflag = []
        termios.cflag = [.CS8, .CREAD, .CLOCAL]
        if tape.below(2) == 0 { termios.cflag.insert(.HUPCL) }
        if tape.below(2) == 0 { termios.cflag.insert(.PARENB) }
        if !isExact && tape.chance(1, in: 4) { termios.cflag.remove(.CLOCAL) }
        termios.setBaud(tape.pick([115_200, 9600, 4_000_000, isExact ? 19200 : 0]))
        let ioctl = tape.pick([.TCSETS, .TCSETSW, isExact ? .TCSETS : .TCSETSF] as [Ioctl])
        self.ioctl(file, ioctl, termios.bytes)
    }

    private func setLines(_ file: FileID) {
        let lines = tape.pick([[.dtr], [.rts], [.dtr, .rts]] as [ModemLines])
        ioctl(file, tape.pick([.TIOCMBIS, .TIOCMBIC, .TIOCMSET]), lines.rawValue.littleEndian)
    }

    private func ioctl(_ file: FileID, _ ioctl: Ioctl, _ argument: [UInt8] = [], value: UInt64 = 0, out: Bool = false) {
        let call = IoctlCall(
            command: ioctl.rawValue, argument: value, outSize: out ? ioctl.copies.out : 0, isCompat: false)
        ask(.ioctl(ioctl), file, "\(ioctl)") { tty, id in
            tty.ioctl(id, file, call, argument: argument.span) { _ in true }
        }
    }

    /// The kernel gets an answer.
    func answered(_ id: RequestID, _ answer: Answer, _ bytes: [UInt8]) {
        guard let request = waiting.removeValue(forKey: id) else {
            return fail("request \(id.rawValue) was answered twice, or never asked: \(answer)")
        }
        note("  answer \(id.rawValue): \(answer)")
        checkBound(request, answer)
        switch answer {
        case .opened(let file): files.append(file)
        case .data(let range):
            if case .read(let limit) = request.kind, range.count > limit { fail("more read than asked for") }
        case .error, .done, .written, .ioctl, .ioctlRetry, .poll: break
        }
    }
}

extension UInt32 {
    var littleEndian: [UInt8] { [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: self >> $0) } }
}
