import ArgumentParser
import Discovery
import Glibc
import RFC2217
import SerialLine
import Simulator
import SystemPackage

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve virtual COM ports over RFC 2217.",
        discussion: """
            Each port listens on a TCP port of its own and takes one client. SIGUSR1 lets stalled clients go on; \
            SIGINT and SIGTERM end it.

            Quirks:
            \(quirkList)
            """)

    @Option(help: "Address to listen on.") var listen = "127.0.0.1"
    @Option(help: "TCP port of the first COM port; 0 takes any free ones.") var port: UInt16 = 10000
    @Option(help: "Number of COM ports.") var ports = 2
    @Option(
        help: ArgumentHelp(
            "loopback, null-modem (ports 0 and 1, 2 and 3, …), exec:COMMAND or tty:PATH; once for all ports, or once per port.",
            valueName: "wiring"))
    var wiring: [String] = ["loopback"]
    @Flag(help: "Send bytes at the line's rate, behind a transmit buffer.") var pace = false
    @Option(
        help: ArgumentHelp(
            "With --pace: size of the transmit buffer (default: 4096). With 0 a byte remains in the socket until the line takes it, and commands wait for the line.",
            valueName: "bytes"))
    var buffer: Int?
    @Option(
        help: ArgumentHelp(
            "With --pace: receive window of a client's connection (default: 65536). The line idles if the window is smaller than the bytes sent in a round trip.",
            valueName: "bytes"))
    var receiveBuffer: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --pace: how much faster the line is than its rate, slower if negative.", valueName: "percent"))
    var rateError: Double?
    @Option(
        help: ArgumentHelp(
            "Write lines 'PORT TIME COUNT' to a file as bytes leave the line: CLOCK_MONOTONIC in nanoseconds, total bytes.",
            valueName: "file"))
    var lineLog: String?
    @Option(
        help: ArgumentHelp(
            "Imitate a server; may be repeated, the last one wins. 'help' lists the names.", valueName: "name"))
    var quirk: [String] = []
    @Option(help: "SET-CONTROL value that switches RS485 half duplex on (unconfirmed).")
    var rs485On = ServerProfile().rs485On
    @Option(help: "SET-CONTROL value that switches RS485 half duplex off (unconfirmed).")
    var rs485Off = ServerProfile().rs485Off

    @Option(
        help: ArgumentHelp(
            "Every Nth received byte has an error: N for all kinds in turn, or parity:N, framing:N, overrun:N, break:N.",
            valueName: "plan"))
    var lineErrors: String?
    @Option(help: ArgumentHelp("Interval of changes of one modem line, beginning with RI.", valueName: "seconds"))
    var modemChanges: Double?
    @Option(help: ArgumentHelp("Close a connection after this many bytes from its client.", valueName: "bytes"))
    var dropAfter: Int?
    @Option(help: ArgumentHelp("Stop reading from a client after this many of its bytes.", valueName: "bytes"))
    var stallAfter: Int?
    @Option(help: ArgumentHelp("Resume reading after this time; otherwise at SIGUSR1.", valueName: "seconds"))
    var stallSeconds: Double?
    @Flag(help: "Hold CTS low, so that hardware flow control stops all output.") var holdCts = false
    @OptionGroup var advertising: Advertising
    @Flag(name: .shortAndLong, help: "Show every Telnet command on standard error.") var verbose = false

    private static var quirkList: String {
        let width = ServerQuirk.allCases.map(\.rawValue.count).max() ?? 0
        return ServerQuirk.allCases.map { quirk in
            let gap = String(repeating: " ", count: width - quirk.rawValue.count + 1)
            return quirk.rawValue + gap + quirk.summary
        }.joined(separator: "\n")
    }

    func run() throws {
        if quirk.contains("help") {
            print(Self.quirkList)
            return
        }
        let configuration = try simulatorConfiguration()
        let signals = blockSignals()
        let server = SimulatorServer(configuration)
        let tcpPorts: [UInt16]
        do { tcpPorts = try server.start() } catch { throw PlainError(message: "\(error)") }
        for (index, tcpPort) in tcpPorts.enumerated() {
            let host = listen.contains(":") ? "[\(listen)]" : listen
            print(
                "port \(index): \(host):\(tcpPort) \(configuration.wirings[min(index, configuration.wirings.count - 1)])"
            )
        }
        fflush(nil)
        let advertiser = try advertising.advertiser(tcpPorts, listeningOn: listen)
        try advertiser?.start()
        while waitForSignal(signals) == SIGUSR1 { server.resumeStalled() }
        advertiser?.stop()
        server.stop()
    }

    private func simulatorConfiguration() throws -> SimulatorConfiguration {
        var configuration = SimulatorConfiguration()
        configuration.address = listen
        configuration.firstPort = port
        configuration.ports = ports
        try setPace(&configuration)
        configuration.wirings = try wiring.map { text in
            guard let wiring = Wiring(text) else {
                throw PlainError(
                    message: "unknown wiring '\(text)': use loopback, null-modem, exec:COMMAND or tty:PATH")
            }
            return wiring
        }
        configuration.profile = try profile()
        configuration.faults = try faults()
        configuration.lineObserver = try lineObserver()
        if verbose {
            configuration.trace = { port, trace in write("port \(port): \(trace)\n", to: STDERR_FILENO) }
        }
        return configuration
    }

    private func setPace(_ configuration: inout SimulatorConfiguration) throws {
        configuration.isPaced = pace
        guard pace || (buffer == nil && receiveBuffer == nil && rateError == nil) else {
            throw PlainError(message: "--buffer, --receive-buffer and --rate-error need --pace")
        }
        if let buffer { configuration.transmitBuffer = buffer }
        if let receiveBuffer { configuration.receiveBuffer = receiveBuffer }
        if let rateError { configuration.rateErrorPercent = rateError }
    }

    /// Writes the file of `--line-log`.
    private func lineObserver() throws -> (@Sendable (Int, MonotonicTime, Int) -> Void)? {
        guard let lineLog else { return nil }
        let descriptor = open(lineLog, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PlainError(message: "cannot write \(lineLog): \(Errno(rawValue: errno))") }
        return { port, time, count in write("\(port) \(time.nanoseconds) \(count)\n", to: descriptor) }
    }

    private func profile() throws -> ServerProfile {
        var profile = ServerProfile(
            try quirk.map { name in
                guard let quirk = ServerQuirk(rawValue: name) else {
                    let names = ServerQuirk.allCases.map(\.rawValue).joined(separator: " ")
                    throw PlainError(message: "unknown quirk '\(name)': use one of \(names)")
                }
                return quirk
            })
        guard rs485On != rs485Off else {
            throw PlainError(message: "--rs485-on and --rs485-off are both \(rs485On); they must differ")
        }
        profile.rs485On = rs485On
        profile.rs485Off = rs485Off
        return profile
    }

    private func faults() throws -> Faults {
        var faults = Faults()
        if let lineErrors {
            guard let plan = LineErrorPlan(lineErrors) else {
                throw PlainError(
                    message: "--line-errors takes N, parity:N, framing:N, overrun:N or break:N, not '\(lineErrors)'")
            }
            faults.lineErrors = plan
        }
        faults.modemChangeInterval = try nanoseconds(modemChanges, "--modem-changes")
        faults.stallNanoseconds = try nanoseconds(stallSeconds, "--stall-seconds")
        faults.dropAfter = try count(dropAfter, "--drop-after")
        faults.stallAfter = try count(stallAfter, "--stall-after")
        faults.holdsCTS = holdCts
        return faults
    }

    private func nanoseconds(_ seconds: Double?, _ option: String) throws -> UInt64? {
        guard let seconds else { return nil }
        guard seconds >= 0.001, seconds <= 1_000_000 else {
            throw PlainError(message: "\(option) \(seconds): 0.001 to 1000000 seconds")
        }
        return UInt64(seconds * 1e9)
    }

    private func count(_ bytes: Int?, _ option: String) throws -> Int? {
        guard let bytes else { return nil }
        guard bytes > 0 else { throw PlainError(message: "\(option) \(bytes): at least 1 byte") }
        return bytes
    }
}

/// An error that is printed in one line, without the usage.
private struct PlainError: Error, CustomStringConvertible {
    let message: String
    var description: String { message }
}

/// Blocks the signals that this command waits for. Called before other threads start.
private func blockSignals() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGUSR1] { sigaddset(&signals, signal) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    return signals
}

private func waitForSignal(_ signals: sigset_t) -> Int32 {
    var signals = signals
    var signal: Int32 = 0
    sigwait(&signals, &signal)
    return signal
}

/// One write(2), so that lines of different threads do not mix.
private func write(_ line: String, to descriptor: Int32) {
    var line = line
    _ = line.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
}
