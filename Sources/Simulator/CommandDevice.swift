import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// A shell command at the far end of a line: started with the first client, and restarted when it has ended. While it
/// runs, it drives CTS, DSR and DCD; bytes sent while it does not run are lost.
final class CommandDevice: SerialDevice {
    private static let shortestPause: UInt64 = .milliseconds(100)
    private static let longestPause: UInt64 = .seconds(5)

    private let command: String
    private let observe: (SimulatorEvent) -> Void
    private var process: ChildProcess?
    private var startDue: MonotonicTime?
    private var startedAt = MonotonicTime(nanoseconds: 0)
    private var pause = shortestPause
    private var hasStarted = false
    private var isOutputOpen = false
    private var exitPlace: PollSet.Place?
    private var outputPlace: PollSet.Place?
    private var buffer = [UInt8](repeating: 0, count: 16 * 1024)

    init(_ command: String, observe: @escaping (SimulatorEvent) -> Void) {
        self.command = command
        self.observe = observe
    }

    var inputs: ModemLines { process == nil ? [] : [.cts, .dsr, .dcd] }
    let isPacedBySimulator = true
    var deadline: MonotonicTime? { startDue }

    func clientConnected(now: MonotonicTime) {
        guard !hasStarted else { return }
        hasStarted = true
        start(now)
    }

    func clientDisconnected() {}

    private func start(_ now: MonotonicTime) {
        startDue = nil
        startedAt = now
        do {
            let process = try ChildProcess(shell: command)
            self.process = process
            isOutputOpen = true
            observe(.started(process.id))
        } catch {
            restartLater(now)
        }
    }

    /// A command that ran for a while is restarted soon; the pause grows for one that ends at once.
    private func restartLater(_ now: MonotonicTime) {
        if now.since(startedAt) > Self.longestPause { pause = Self.shortestPause }
        startDue = now + pause
        pause = min(pause * 2, Self.longestPause)
    }

    func addEvents(to polls: inout PollSet, reads: Bool, writes: Bool) {
        exitPlace = nil
        outputPlace = nil
        guard let process else { return }
        exitPlace = polls.add(process.exit.raw, POLLIN)
        // A pipe whose other end is closed is always ready, so it is polled only if it can be served.
        if reads && isOutputOpen { outputPlace = polls.add(process.output.raw, POLLIN) }
        if writes { _ = polls.add(process.input.raw, POLLOUT) }
    }

    func receive(_ polls: PollSet, limit: Int, into port: VirtualPort) {
        guard let process else { return }
        let hasEnded = polls.events(exitPlace) != 0
        if polls.events(outputPlace) != 0 || hasEnded { read(process, limit, port) }
        if hasEnded { end(port) }
    }

    private func read(_ process: ChildProcess, _ limit: Int, _ port: VirtualPort) {
        guard isOutputOpen, limit > 0 else { return }
        do {
            let count = try process.output.read(into: &buffer, limit: limit)
            if count == 0 { isOutputOpen = false }
            let bytes = buffer
            port.arrive(bytes.span.extracting(0..<count))
        } catch {
            if error != .wouldBlock { isOutputOpen = false }
        }
    }

    private func end(_ port: VirtualPort) {
        process?.stop()
        process = nil
        observe(.exited)
        restartLater(.now)
        port.updateInputs(.now)
    }

    func transmit(_ bytes: borrowing Span<UInt8>) -> Int {
        guard let process else { return bytes.count }
        // It has closed its input, so the bytes are dropped.
        return (try? process.input.writeSome(bytes)) ?? bytes.count
    }

    func perform(_ request: SerialRequest, _ state: inout ComPortServer.PortState) throws(Errno) {
        state.apply(request)
    }

    func tick(now: MonotonicTime, port: VirtualPort) {
        guard let due = startDue, due <= now else { return }
        start(now)
        port.updateInputs(now)
    }

    func stop() {
        process?.stop()
        process = nil
        startDue = nil
    }
}
