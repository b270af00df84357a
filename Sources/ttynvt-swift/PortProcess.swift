import CUSEDevice
import Glibc
import KernelDiscipline
import Platform
import PortControl
import PortRuntime
import RemotePort
import SerialLine
import VirtualTTY

/// The process of one port, from start to signal: creates the device and the connection, and ends them.
final class PortProcess: Sendable {
    private let name: DeviceName
    private let servers: [Endpoint]
    private let settings: PortSettings
    /// User to switch to, if the process is root.
    private let user: String
    private let log: PortLog
    private let failure = Monitor<Failure?>(nil)
    private let hasEnded = Monitor(false)
    /// A signal arrived, or the device could not be created: the end of the loop is intended.
    private let isEnding = Monitor(false)
    private let isRetired = Monitor(false)
    private let controlThread = Monitor<Thread?>(nil)

    init(name: DeviceName, servers: [Endpoint], settings: PortSettings, log: PortLog) {
        self.name = name
        self.servers = servers
        self.settings = settings
        user = settings.user ?? Privileges.portUser
        self.log = log
    }

    /// The parts that the port's threads share.
    private struct Parts: Sendable {
        let port: Port
        let device: CUSEDevice
        let remote: RemotePort
        let discipline: DisciplineHost
        let control: PortControlServer
        /// Created before the node: udev recognizes our nodes by the socket's directory.
        let socket: ControlSocket?
        let report: PortReport
    }

    /// Serves the port until a signal arrives, the port retires, or the device cannot be created.
    func run() throws {
        let parts = try makeParts()
        let threads = try parts.remote.start()
        Signals.interruptOnUser1()
        let main = pthread_self()
        let signals = try Thread("signals") { self.endOnSignal(parts, main) }
        parts.device.run { self.begin(parts) }
        // The kernel may end the device by itself: then the process ends in the same way, with an error.
        if !isEnding.withLock({ $0 }) { failure.withLock { $0 = $0 ?? Failure("\(DeviceError.ended("\(name)"))") } }
        end(parts)
        hasEnded.withLock { $0 = true }
        threads.forEach { $0.join() }
        if let thread = controlThread.withLock({ $0 }) { thread.join() } else { parts.socket?.remove() }
        log.log(.info, "\(parts.device.receivedCount) requests received, \(parts.device.answeredCount) answered")
        _ = signals
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    private func makeParts() throws -> Parts {
        let log = log
        var configuration = settings.configuration
        configuration.servers = servers
        configuration.minor = settings.minor
        configuration.logLevel = LogLevel(clamping: settings.logLevel)
        let port = Port(configuration: configuration) { log.log($0, $1) }
        let device: CUSEDevice
        do {
            device = try CUSEDevice(
                name: name, major: settings.major, minor: settings.minor, channel: try CUSEDevice.openChannel(),
                port: port)
        } catch {
            throw Failure("\(error)")
        }
        let remote = try RemotePort(port: port, deadAfter: Int32(configuration.deadAfter / .seconds(1)))
        let discipline = try makeDiscipline(port)
        let control = try PortControlServer()
        let socket = try makeControlSocket()
        let report = PortReport(
            port, control, log: log, options: Self.optionArguments(CommandLine.arguments),
            supervisor: Privileges.supervisor
        ) { [isRetired] in
            isRetired.withLock { $0 = true }
            // Sent to the thread that waits for it, as if a user had ended the port.
            kill(getpid(), SIGTERM)
        }
        port.attach(kernel: device, remote: remote, discipline: discipline, observer: report)
        return Parts(
            port: port, device: device, remote: remote, discipline: discipline, control: control, socket: socket,
            report: report)
    }

    /// Called before other threads start, because they inherit the reduced privileges.
    private func makeDiscipline(_ port: Port) throws -> DisciplineHost {
        let discipline = try DisciplineHost(port: port)
        guard settings.configuration.keepsNetworkAdministration else { return discipline }
        do {
            try discipline.keepNetworkAdministration()
        } catch {
            throw Failure("cannot keep CAP_NET_ADMIN (--kernel-ldisc): \(error)")
        }
        return discipline
    }

    /// The kernel has accepted or refused the device.
    private func begin(_ parts: Parts) {
        do {
            let node = try DeviceNode(made: name)
            parts.port.withTTY { $0.made(DeviceNumber(major: node.major, minor: node.minor)) }
            if geteuid() == 0 {
                node.give(
                    to: Privileges.user(named: settings.owner) ?? 0, group: Privileges.group(named: settings.group),
                    mode: settings.mode.rawValue)
            }
            try Privileges.drop(to: user)
            try parts.discipline.settlePrivileges()
            log.log(.notice, "created \(node.path) (\(node.major):\(node.minor)) for \(servers.listed)")
            if parts.socket != nil || parts.report.chore != nil {
                let thread = try parts.control.start(parts.socket, chore: parts.report.chore) {
                    parts.report.answer($0, $1)
                }
                controlThread.withLock { $0 = thread }
            }
            if settings.checks {
                try ServerCheck(servers, timeout: settings.configuration.connectTimeout).run(log)
            }
            parts.port.withTTY { $0.start() }
            parts.report.begin(node)
        } catch {
            failure.withLock { $0 = Failure("\(error)") }
            isEnding.withLock { $0 = true }
            parts.device.stop()
        }
    }

    /// A port without a control socket works, but cannot be asked for its status.
    private func makeControlSocket() throws(Failure) -> ControlSocket? {
        do {
            return try ControlSocket(for: name, owner: Privileges.userAfterDrop(to: user))
        } catch {
            if case .inUse = error { throw Failure("\(error)") }
            log.log(.info, "status unavailable: \(error)")
            return nil
        }
    }

    private func endOnSignal(_ parts: Parts, _ main: pthread_t) {
        let signal = Signals.wait()
        if isRetired.withLock({ $0 }) {
            log.log(.notice, "retired: no program has the port open")
        } else {
            log.log(.notice, "ended by \(signal == SIGINT ? "SIGINT" : signal == SIGHUP ? "SIGHUP" : "SIGTERM")")
        }
        isEnding.withLock { $0 = true }
        end(parts)
        parts.device.stop()
        // The loop may be about to block when the signal arrives, so the signal is repeated.
        while !hasEnded.withLock({ $0 }) {
            pthread_kill(main, SIGUSR1)
            usleep(5000)
        }
    }

    /// Hangs up, ends the connection, and ends the threads.
    private func end(_ parts: Parts) {
        parts.report.end()
        parts.control.stop()
        parts.port.withTTY { $0.shutDown() }
        parts.discipline.stop()
        parts.remote.stop()
    }

    /// The options that the port was started with, without its servers, which may change: for comparison with the
    /// options of a new start.
    static func optionArguments(_ arguments: [String]) -> [String] {
        var rest = arguments.dropFirst()
        if rest.first == "port" { rest = rest.dropFirst() }
        var options: [String] = []
        while let argument = rest.popFirst() {
            if argument == "-S" || argument == "--server" {
                rest = rest.dropFirst()
            } else if !argument.hasPrefix("--server=") && !argument.hasPrefix("-S=") {
                options.append(argument)
            }
        }
        return options
    }
}
