import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// A serial port of this machine at the far end of a line. If it disappears (unplugged, hung up), it is opened again
/// when it returns; meanwhile its lines are low and bytes for it are lost.
final class TTYDevice: SerialDevice {
    /// Interval of checking modem lines and error counters while there is a client, in nanoseconds. Drivers that can
    /// wait for a change (TIOCMIWAIT) would need a thread for that.
    private static let pollInterval: UInt64 = .milliseconds(50)
    private static let reopenInterval: UInt64 = .milliseconds(500)

    private let path: String
    /// Requests for lines that the port lacks succeed, and its inputs read as raised.
    private let pretendsLines: Bool
    private let observe: (SimulatorEvent) -> Void
    private var file: SerialPortFile?
    private var settings = LineSettings()
    private var outputs: ModemLines = []
    private var hasClient = false
    private(set) var deadline: MonotonicTime?
    private(set) var inputs: ModemLines = []
    private var counters: LineCounters?
    private var decoder = ParityMarkDecoder()
    private var place: PollSet.Place?
    private var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    let isPacedBySimulator = false

    init(_ path: String, pretendsLines: Bool, observe: @escaping (SimulatorEvent) -> Void) throws(Errno) {
        self.path = path
        self.pretendsLines = pretendsLines
        self.observe = observe
        try open()
    }

    private func open() throws(Errno) {
        let file = try SerialPortFile(path)
        settings = try file.apply(settings)
        self.file = file
        decoder = ParityMarkDecoder()
        counters = file.counters()
        setOutputs(outputs)
        readInputs()
    }

    private func readInputs() {
        guard let file else {
            inputs = []
            return
        }
        let pretended: ModemLines = pretendsLines ? [.cts, .dsr, .dcd] : []
        inputs = file.hasLines ? (try? file.inputs()) ?? [] : pretended
    }

    private func setOutputs(_ lines: ModemLines) {
        guard let file, file.hasLines else { return }
        for line in [ModemLines.dtr, .rts] { try? file.setOutputs(line, lines.contains(line)) }
    }

    func clientConnected(now: MonotonicTime) {
        hasClient = true
        readInputs()
        deadline = now + Self.pollInterval
    }

    func clientDisconnected() {
        hasClient = false
        outputs = []
        setOutputs([])
        if file != nil { deadline = nil }
    }

    func addEvents(to polls: inout PollSet, reads: Bool, writes: Bool) {
        place = nil
        guard let file, reads || writes else { return }
        place = polls.add(file.descriptor.raw, (reads ? POLLIN : 0) | (writes ? POLLOUT : 0))
    }

    func receive(_ polls: PollSet, limit: Int, into port: VirtualPort) {
        guard let file, polls.events(place) & ~POLLOUT != 0, limit > 0 else { return }
        do {
            let count = try file.descriptor.read(into: &buffer, limit: limit)
            if count == 0 { lose(port) } else { decode(count, port) }
        } catch {
            if error != .wouldBlock { lose(port) }
        }
    }

    private func decode(_ count: Int, _ port: VirtualPort) {
        let bytes = buffer
        let input = bytes.span.extracting(0..<count)
        var offset = 0
        while let element = decoder.next(input, &offset) {
            switch element {
            case .good(let range): port.arrive(input.extracting(range))
            case .bad(let byte):
                let error = reason(for: byte)
                port.receive(error, byte: error == .breakDetected ? nil : byte)
            }
        }
    }

    /// The error of a marked byte: the one that the driver has counted since, or else a possible one.
    private func reason(for byte: UInt8) -> LineState {
        if let now = file?.counters(), var counted = counters {
            defer { counters = counted }
            if byte == 0 && now.breaks != counted.breaks {
                counted.breaks &+= 1
                return .breakDetected
            }
            if now.parity != counted.parity {
                counted.parity &+= 1
                return .parity
            }
            if now.framing != counted.framing {
                counted.framing &+= 1
                return .framing
            }
        }
        return byte == 0 ? .breakDetected : settings.parity == .none ? .framing : .parity
    }

    private func lose(_ port: VirtualPort) {
        file = nil
        readInputs()
        deadline = .now + Self.reopenInterval
        observe(.lost(path))
        port.updateInputs(.now)
    }

    func transmit(_ bytes: borrowing Span<UInt8>) -> Int {
        guard let file else { return bytes.count }
        // The device has gone; the next read detects that.
        return (try? file.descriptor.writeSome(bytes)) ?? bytes.count
    }

    func perform(_ request: SerialRequest, _ state: inout ComPortServer.PortState) throws(Errno) {
        guard let file else { throw Errno(rawValue: ENODEV) }
        switch request {
        case .setDTR(let on): try setOutput(.dtr, on, file)
        case .setRTS(let on): try setOutput(.rts, on, file)
        case .setBreak(let on): try file.setBreak(on)
        case .purge(let buffers): try file.flush(buffers)
        case .setRS485(let on): try file.setRS485(on)
        case .sendBreak: break
        default:
            var wanted = settings
            guard wanted.apply(request) else { break }
            settings = try file.apply(wanted)
            state.settings = settings
            return
        }
        state.apply(request)
    }

    private func setOutput(_ line: ModemLines, _ on: Bool, _ file: SerialPortFile) throws(Errno) {
        if file.hasLines || !pretendsLines { try file.setOutputs(line, on) }
        outputs = on ? outputs.union(line) : outputs.subtracting(line)
    }

    func tick(now: MonotonicTime, port: VirtualPort) {
        guard let due = deadline, due <= now else { return }
        if file == nil {
            do {
                try open()
                observe(.found(path))
            } catch {
                deadline = now + Self.reopenInterval
                return
            }
        } else {
            readInputs()
            reportOverruns(port)
        }
        deadline = hasClient ? now + Self.pollInterval : nil
        port.updateInputs(now)
    }

    /// An overrun marks no byte; only the counter shows it.
    private func reportOverruns(_ port: VirtualPort) {
        guard let now = file?.counters(), let before = counters, now.overrun != before.overrun else { return }
        counters?.overrun = now.overrun
        port.receive(.overrun)
    }

    func stop() {
        // Bytes that cannot leave would delay the close.
        try? file?.flush(.both)
        file = nil
        deadline = nil
    }
}
