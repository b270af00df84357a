import CUSEDevice
import Glibc
import Logging
import Platform
import PortRuntime
import RemotePort
import SerialLine
import VirtualTTY

/// One port at work, from start to signal: the device, the connection, and how they begin and end.
final class PortProcess: Sendable {
    private let name: DeviceName
    private let endpoint: Endpoint
    private let command: PortCommand
    private let log: Logger
    private let failure = Monitor<Failure?>(nil)
    private let hasEnded = Monitor(false)
    /// A signal came, or there was no device: the loop ends because it is told to.
    private let isEnding = Monitor(false)

    init(name: DeviceName, endpoint: Endpoint, command: PortCommand, log: Logger) {
        self.name = name
        self.endpoint = endpoint
        self.command = command
        self.log = log
    }

    /// Serves the port until a signal comes, or there is no device to serve.
    func run() throws {
        let log = log
        let port = Port(
            configuration: command.options.configuration(logLevel: command.logLevel, minor: command.minor)
        ) { level, text in log.log(level: level.swiftLogLevel, "\(text)") }
        let device: CUSEDevice
        do {
            device = try CUSEDevice(
                name: name, major: command.major, minor: command.minor, channel: try CUSEDevice.openChannel(),
                port: port)
        } catch {
            throw Failure("\(error)")
        }
        let remote = try RemotePort(endpoint, port: port, deadAfter: command.options.deadAfter)
        port.attach(kernel: device, remote: remote)
        let threads = try remote.start()
        Signals.interruptOnUser1()
        let main = pthread_self()
        let signals = try Thread("signals") { self.endOnSignal(port, device, remote, main) }
        device.run { self.begin(port, device) }
        // The kernel may let go of the device by itself: then everything ends the same way, but not well.
        if !isEnding.withLock({ $0 }) { failure.withLock { $0 = $0 ?? Failure("\(DeviceError.ended("\(name)"))") } }
        end(port, remote)
        hasEnded.withLock { $0 = true }
        threads.forEach { $0.join() }
        log.info("\(device.receivedCount) requests received, \(device.answeredCount) answered")
        _ = signals
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    /// The kernel has been told of the device: is it there?
    private func begin(_ port: Port, _ device: CUSEDevice) {
        do {
            let node = try DeviceNode(made: name)
            if geteuid() == 0, let group = Privileges.group(named: command.group) { node.give(to: group, mode: 0o660) }
            try Privileges.drop(to: command.user)
            log.notice("\(node.path) (\(node.major):\(node.minor)) is there, for \(endpoint)")
            if command.check { try ServerCheck(endpoint, timeout: command.options.connectTimeout).run(log) }
            port.withTTY { $0.start() }
        } catch {
            failure.withLock { $0 = Failure("\(error)") }
            isEnding.withLock { $0 = true }
            device.stop()
        }
    }

    private func endOnSignal(_ port: Port, _ device: CUSEDevice, _ remote: RemotePort, _ main: pthread_t) {
        let signal = Signals.wait()
        log.notice("ended by \(signal == SIGINT ? "SIGINT" : signal == SIGHUP ? "SIGHUP" : "SIGTERM")")
        isEnding.withLock { $0 = true }
        end(port, remote)
        device.stop()
        // The loop may be about to block when the signal comes: again until it has seen it.
        while !hasEnded.withLock({ $0 }) {
            pthread_kill(main, SIGUSR1)
            usleep(5000)
        }
    }

    /// Hangs up, says goodbye to the server, and lets the threads end.
    private func end(_ port: Port, _ remote: RemotePort) {
        port.withTTY { $0.shutDown() }
        remote.stop()
    }
}
