import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import VirtualTTY

/// Programs, a server and a network that do things at random: all of it follows from the seed.
final class RandomProgram {
    /// Nothing may get lost: the connection holds, nothing is flushed, and one file stays open.
    let isLossless: Bool
    /// Bytes pass as they are. What N_TTY does with others is tested against the kernel's; here it must only end.
    let isRaw: Bool
    let port: PortBench
    var random: SplitMix64

    var files: [FileID] = []
    var reads: [RequestID: Int] = [:]
    private var writes: [RequestID: [UInt8]] = [:]
    private var opens: Set<RequestID> = []
    var parked: [RequestID] = []
    /// Bytes sent by the far end and read by programs; bytes written by programs and received by the far end.
    var sent: [UInt8] = []
    var read: [UInt8] = []
    var written: [UInt8] = []
    var heard: [UInt8] = []
    /// The far end reported line errors: the bytes that programs read differ from the bytes sent.
    private(set) var sawErrors = false

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        isLossless = random.below(2) == 0
        isRaw = isLossless || random.below(2) == 0
        let policy = random.below(2) == 0 ? PortConfiguration.ConnectPolicy.open : .always
        port = PortBench {
            $0.logLevel = .trace
            $0.connect = policy
            $0.linger = random.pick([0, .seconds(1)])
            $0.lossTimeout = random.pick([nil, 0, .seconds(3)])
            $0.lines = random.pick([.raise, .leave])
            $0.awaitsSettings = random.below(4) > 0
            $0.connectTimeout = .seconds(2)
        }
        port.name = "seed \(seed): "
        port.delay = random.pick([0, .milliseconds(1), .milliseconds(30), .milliseconds(700)])
        if random.below(4) == 0 { port.profile.unanswered = [random.pick([1, 2, 3, 4, 5, 11, 12])] }
        if random.below(8) == 0 { port.profile.baudRates = [9600, 19200, 115_942] }
        port.profile.rs485 = random.pick([.supported, .refused, .unknown])
        self.random = random
        port.whenAnswered = { [unowned self] in answered($0, $1) }
    }

    /// Runs this many steps, ends all requests, and checks the invariants.
    func run(steps: Int) {
        port.tell { $0.start() }
        if isRaw { becomeRaw() }
        for _ in 0..<steps where port.failure == nil { step() }
        end()
        port.checkAnswers()
        checkData()
    }

    private func becomeRaw() {
        open()
        port.advance(.seconds(5))
        guard let file = files.first else { return }
        var termios = Termios()
        termios.iflag = []
        termios.oflag = []
        termios.lflag = []
        _ = port.ioctl(file, .TCSETS, termios.bytes)
        port.advance(.seconds(5))
        if !isLossless { close(file) }
        port.advance(.seconds(60))
    }

    private func answered(_ id: RequestID, _ outcome: Outcome) {
        switch outcome {
        case .opened(let file):
            if port.ends > 0 { port.fail("opened after the end") }
            if opens.remove(id) == nil { port.fail("opened without a request") }
            files.append(file)
        case .data(let bytes):
            guard let limit = reads[id], bytes.count <= limit else { return port.fail("more read than asked for") }
            read += bytes
        case .written(let count):
            guard let bytes = writes[id], count <= bytes.count else { return port.fail("more written than there is") }
            written += bytes[..<count]
        default: break
        }
    }

    private func step() {
        switch random.below(26) {
        case 0: open()
        case 1: if let file = file(), files.count > 1 || !isLossless { close(file) }
        case 2..<6: if let file = file() { startRead(file) }
        case 6..<10: if let file = file() { startWrite(file) }
        case 10..<14: if let file = file() { anyIoctl(file) }
        case 14: if let file = file() { startPoll(file) }
        case 15, 16: interruptSomething()
        case 17, 18: farEnd()
        case 19: port.makeRoom(random.below(30_000))
        case 20: port.room = random.pick([0, 1, 100, .max])
        case 21 where !isLossless: network()
        case 22 where !files.isEmpty: port.tell { $0.retire() }
        case 23: port.tell { _ = $0.keep() }
        case 24: port.tell { [servers = servers()] in $0.setServers(servers) }
        default: port.advance(random.pick([0, 1, .milliseconds(1), .milliseconds(100), .seconds(1), .seconds(20)]))
        }
    }

    private func servers() -> [Endpoint] {
        random.pick([
            [Endpoint(host: "bench", port: 1)], [Endpoint(host: "other", port: 2), Endpoint(host: "bench", port: 1)],
        ])
    }

    func file() -> FileID? { files.isEmpty ? nil : random.pick(files) }

    private func open() {
        let id = port.newRequest()
        opens.insert(id)
        parked.append(id)
        let nonBlocking = random.below(4) == 0
        port.tell { $0.open(id, nonBlocking: nonBlocking) { true } }
    }

    func close(_ file: FileID) {
        files.removeAll { $0 == file }
        parked.append(port.release(file))
    }

    private func startRead(_ file: FileID) {
        let id = port.newRequest()
        let count = random.pick([0, 1, 7, 100, 5000])
        let nonBlocking = random.below(2) == 0
        reads[id] = count
        parked.append(id)
        port.tell { $0.read(id, file, count: count, nonBlocking: nonBlocking) }
        if nonBlocking && port.outcome(id) == nil { port.fail("a non-blocking read waits") }
    }

    private func startWrite(_ file: FileID) {
        let id = port.newRequest()
        let bytes = random.bytes(random.pick([0, 1, 10, 300, 5000]))
        let nonBlocking = random.below(2) == 0
        writes[id] = bytes
        parked.append(id)
        port.tell { $0.write(id, file, bytes.span, nonBlocking: nonBlocking) }
        if nonBlocking && port.outcome(id) == nil { port.fail("a non-blocking write waits") }
    }

    private func startPoll(_ file: FileID) {
        let poll = port.poll(file, random.pick([0, 0x41, 0x104, 0x145]), notifies: random.below(2) == 0)
        if port.outcome(poll) == nil { port.fail("a poll waits") }
    }

    private func interruptSomething() {
        parked.removeAll { port.outcome($0) != nil }
        if !parked.isEmpty { port.interrupt(random.pick(parked)) }
    }

    private func anyIoctl(_ file: FileID) {
        let ioctl = random.pick(Ioctl.allCases)
        switch ioctl {
        case .TCSETS, .TCSETS2, .TCSETSW, .TCSETSW2, .TCSETSF, .TCSETSF2, .TCSETA, .TCSETAW, .TCSETAF:
            parked.append(setTermios(file, ioctl))
        case .TCFLSH where isLossless: break
        // Flow characters would arrive as data that no program wrote.
        case .TCXONC: parked.append(port.ioctl(file, ioctl, value: random.pick([0, 1, 9])))
        case .TIOCVHANGUP where !isLossless:
            parked.append(port.call(file, ioctl.rawValue, isAdministrator: true))
        // Locked or non-local settings may lose data.
        case .TIOCSLCKTRMIOS where isLossless, .TIOCSSOFTCAR where isLossless: break
        case .TIOCSSERIAL, .TIOCSRS485, .TIOCMBIS, .TIOCMBIC, .TIOCMSET, .TIOCSWINSZ, .TIOCSLCKTRMIOS, .TIOCSSOFTCAR:
            let isAdministrator = random.below(2) == 0
            parked.append(
                port.ioctl(file, ioctl, random.bytes(ioctl.copies.in), isAdministrator: isAdministrator))
        case .TIOCSETD:
            if !isLossless {
                parked.append(port.ioctl(file, ioctl, random.pick([0, 1, 3, 99] as [UInt32]).littleEndian))
            }
        case _ where ioctl.copies.out > 0: parked.append(port.ioctl(file, ioctl, []))
        default: parked.append(port.ioctl(file, ioctl, value: random.pick([0, 1, 2, 3, 9, 0x1E0])))
        }
    }

    /// Raw settings at random. A flush, a line that receives nothing and a rate of weeks per byte are left out where
    /// they would hide a loss.
    private func setTermios(_ file: FileID, _ ioctl: Ioctl) -> RequestID {
        var ioctl = ioctl
        if isLossless {
            switch ioctl {
            case .TCSETSF: ioctl = .TCSETSW
            case .TCSETSF2: ioctl = .TCSETSW2
            case .TCSETAF: ioctl = .TCSETAW
            default: break
            }
        }
        var termios = Termios()
        if isRaw {
            termios.iflag = random.pick([[], [.INPCK], [.BRKINT]])
            termios.oflag = []
            termios.lflag = []
        } else {
            termios.iflag = InputFlags(rawValue: UInt32(random.below(0x8000)))
            termios.oflag = OutputFlags(rawValue: UInt32(random.below(0x2000)))
            termios.lflag = LocalFlags(rawValue: UInt32(random.below(0x20000)))
        }
        termios.cflag = random.pick([
            [.CS8], [.CS8, .HUPCL], [.CSTOPB], [.CS8, .CRTSCTS, .PARENB], [.CMSPAR, .CLOCAL],
        ])
        if isLossless || random.below(8) > 0 { termios.cflag.insert(.CREAD) }
        // Carrier comes and goes.
        if isLossless { termios.cflag.insert(.CLOCAL) }
        termios.setBaud(random.pick([9600, 115_200, 250_000, 4_000_000, 300, 0]))
        termios[.VMIN] = random.pick([0, 1, 5, 255])
        termios[.VTIME] = random.pick([0, 0, 1, 50])
        switch ioctl.copies.in {
        case Termios.size2: return port.ioctl(file, ioctl, termios.bytes2)
        case Termios.size: return port.ioctl(file, ioctl, termios.bytes)
        default: return port.ioctl(file, ioctl, termios.termioBytes)
        }
    }

    private func farEnd() {
        guard port.server != nil else { return }
        switch random.below(8) {
        case 0: port.far { $0.send(random.below(2) == 0 ? .flowControlSuspend : .flowControlResume) }
        case 1, 2:
            let lines = ModemLines(rawValue: UInt32(truncatingIfNeeded: random.next())).intersection(.inputs)
            port.far { $0.setLines(lines, now: port.clock.now) }
        case 3:
            // Breaks and errors put bytes in, and take some away.
            var state = LineState(rawValue: random.byte())
            if isLossless { state.formIntersection([.overrun, .dataReady, .timeout]) } else { sawErrors = true }
            port.far { $0.send(.notifyLineState(state)) }
        default:
            // Bytes that arrive before the port is open are dropped.
            if isLossless && (files.isEmpty || port.tty.link != .up) { return }
            let bytes = random.bytes(random.pick([1, 3, 200, 6000]))
            sent += bytes
            port.far { $0.send(bytes) }
        }
    }

    private func network() {
        keepHeard()
        switch random.below(6) {
        case 0: port.network = .refuses(.connectionRefused)
        case 1: port.network = .silent
        case 2: port.isMute.toggle()
        case 3, 4: port.network = .accepts
        default: port.breakLink()
        }
    }
}
