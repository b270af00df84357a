import Discovery
import Glibc
import Logging
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemBus
import SystemPackage

/// Keeps the ports that are announced and configured running: listens to the network, plans, and carries out what the
/// reconciler says, in one loop.
///
/// By topic: `+Network` (the bus and Avahi), `+Steps` (what is done about ports).
///
/// Concurrency model: one thread; signals come in through `SignalQueue`.
package final class Supervisor {
    /// How it is to be run.
    package struct Settings {
        /// Where ports are started: systemd, own children, or systemd where it runs.
        package enum Backend: String, CaseIterable, Sendable {
            case auto
            case systemd
            case children
        }

        package var backend = Backend.auto
        /// The file that remembers minor numbers.
        package var state = MinorFile.defaultPath
        package var lock = "/run/ttynvt-swift/supervisor/lock"

        package init() {}
    }

    let log: Logger
    let launcher: any Launcher
    let minors: MinorFile
    var planner: Planner
    var reconciler = Reconciler()
    var processes = ProcessWatch()
    var bus: SystemBus?
    var browser: ServiceBrowser?
    /// When the bus is tried again.
    var nextBus: MonotonicTime?
    /// What was said last about the network, so that it is said once.
    var saidNetwork = ""
    /// Ports of ours that do not answer (yet), and when they are asked again.
    var unclear: [DeviceName: MonotonicTime] = [:]
    /// Why a port could not be started, as last said.
    var saidFailures: [DeviceName: String] = [:]
    private let configure: () -> Configuration?
    private let signals = SignalQueue()
    private let settings: Settings
    private var heartbeat = Heartbeat()

    /// - Parameter configure: reads the configuration; nil, with faults logged, where it is wrong.
    /// - Throws: `SupervisorError`.
    package init(_ settings: Settings, configure: @escaping () -> Configuration?, log: Logger) throws(SupervisorError) {
        guard let configuration = configure() else { throw SupervisorError("the configuration is wrong") }
        self.settings = settings
        self.configure = configure
        self.log = log
        let usesSystemd = settings.backend == .systemd || settings.backend == .auto && SystemdLauncher.isBooted
        launcher = usesSystemd ? SystemdLauncher() : ChildLauncher()
        minors = MinorFile(settings.state, log: log)
        planner = Planner(configuration, minors: MinorTable(), isTaken: DeviceNumbers.areTaken)
    }

    /// Serves until a signal comes. SIGTERM leaves the ports running, for the next supervisor to adopt; SIGINT, the
    /// Ctrl-C of who started it by hand, ends them; SIGHUP reads the configuration anew.
    package func run() throws {
        let lock = try SupervisorLock(settings.lock)
        try DeviceNumbers.checkModule()
        planner = Planner(planner.configuration, minors: minors.load(), isTaken: DeviceNumbers.areTaken)
        connect(.now)
        if launcher is SystemdLauncher && bus == nil {
            throw SupervisorError("systemd cannot be reached: \(saidNetwork)")
        }
        try adopt(.now)
        log.notice("ports are run by \(launcher.description)\(watching)")
        try signals.start()
        heartbeat.begin(.now)
        defer { heartbeat.end() }
        while let signal = turn() {
            switch signal {
            case 0: continue
            case SIGHUP: reload()
            case SIGINT:
                endPorts()
                return
            default:
                log.notice("ended by SIGTERM; running ports go on")
                return
            }
        }
        _ = lock
    }

    private var watching: String {
        let types = planner.configuration.types
        return types.isEmpty
            ? "; nothing is looked for on the network" : "; looking for \(types.joined(separator: ", "))"
    }

    /// Does what is due, then waits for something to happen.
    /// - Returns: a signal that came; 0 for none.
    private func turn() -> Int32? {
        let now = MonotonicTime.now
        processNetwork(now)
        launcher.advance(now)
        for event in launcher.takeEvents() { take(event, now) }
        askUnclear(now)
        planner.advance(now)
        reconcile(now)
        heartbeat.beat(status, now)
        return wait()
    }

    private func wait() -> Int32? {
        var polls = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
        polls.append(pollfd(fd: bus?.descriptor ?? -1, events: bus?.events ?? 0, revents: 0))
        let (names, watches) = processes.polls()
        polls += watches + launcher.polls
        let deadlines: [MonotonicTime?] = [
            bus?.deadline, browser?.nextDeadline, nextBus, launcher.nextDeadline, planner.nextDeadline(.now),
            reconciler.nextDeadline(.now), unclear.values.min(), heartbeat.nextDeadline,
        ]
        let deadline = deadlines.compactMap(\.self).min()
        // Nothing can fail here but memory; then a turn too many does no harm.
        _ = try? waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
        for (name, poll) in zip(names, polls.dropFirst(2)) where poll.revents != 0 { processEnded(name) }
        return polls[0].revents != 0 ? signals.take() : 0
    }

    private func reload() {
        guard let configuration = configure() else {
            return log.error("the configuration is wrong: the one before stays in force")
        }
        let types = planner.configuration.types
        planner.configure(configuration, .now)
        if types != configuration.types { restartBrowser(.now) }
        log.notice("the configuration was read anew\(watching)")
    }

    private func endPorts() {
        let names = reconciler.runningNames
        log.notice("ended by SIGINT, and \(names.count) ports with it")
        let deadline = MonotonicTime.now + .seconds(5)
        launcher.stopStarting()
        for name in names { launcher.stop(name) }
        launcher.finishOrders(by: deadline)
        while MonotonicTime.now < deadline {
            let (left, watches) = processes.polls()
            guard !left.isEmpty else { break }
            var polls = watches
            _ = try? waitForEvents(&polls, nanoseconds: deadline.nanosecondsFromNow)
            for (name, poll) in zip(left, polls) where poll.revents != 0 {
                processes.forget(name)
                SerialLink.remove(name)
                launcher.forget(name)
            }
        }
    }

    /// For `systemctl status`.
    private var status: String {
        let (running, wanted) = (reconciler.runningNames.count, planner.wanted.count)
        let ports = running == wanted ? "\(running) ports" : "\(running) of \(wanted) ports"
        return ports + (saidNetwork.isEmpty ? "" : "; \(saidNetwork)")
    }
}
