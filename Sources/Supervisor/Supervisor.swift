import Discovery
import Glibc
import Logging
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemBus
import SystemPackage

/// Keeps the announced and configured ports running: receives announcements, plans, and carries out the reconciler's
/// steps, in one loop.
///
/// On timers, and not only on events, it compares the wanted ports with the running ones, and its knowledge of these
/// with the kernel, systemd and the ports themselves. It never waits for a single port. After any loss — of an
/// answer, a bus signal, a file, or its own process — the wanted state is restored within these times, counted while
/// the machine is awake (CLOCK_MONOTONIC; setting the clock has no effect):
///
/// | Lost or wrong | Restored |
/// |---|---|
/// | the supervisor, at any step | at its next start: READY at once; each port is known once it has answered, or after 1 s without an answer; it is asked again at least once a minute |
/// | the end of a port's process | 0.2 s by its pidfd; without one 5 s, or 30 s by the list of units |
/// | a bus signal of systemd about a job | 5 s (then the unit is checked each second); after 30 s its place is free for another port |
/// | a unit started or stopped by another program | 30 s (the list of units); 0.2 s for the stop of a running one |
/// | the bus | 5 s after its return; at once for systemd itself (daemon-reexec) |
/// | an order that did not reach its port | after 0.5 s, doubling to 60 s |
/// | a change of a port without an order of the supervisor | 60 s, or 1 s for a port that is watched closely |
/// | the state file: disk full, removed, an older copy | 5 s, doubling to 60 s; 60 s |
///
/// By topic: `+Network` (the bus and Avahi), `+Steps` (steps for ports), `+Control` (requests of users).
///
/// Concurrency model: one thread; signals arrive through `SignalQueue`.
package final class Supervisor {
    /// The supervisor's settings.
    package struct Settings {
        /// How ports are started: by systemd, as child processes, or automatically: by systemd if it runs.
        package enum Backend: String, CaseIterable, Sendable {
            case auto
            case systemd
            case children
        }

        package var backend = Backend.auto
        /// The state file.
        package var state = LedgerFile.defaultPath
        package var lock = "/run/ttynvt-swift/supervisor/lock"

        package init() {}
    }

    let log: Logger
    let launcher: any Launcher
    let ledger: LedgerFile
    var planner: Planner
    var reconciler = Reconciler()
    var processes: ProcessWatch
    let budget = DescriptorBudget.own
    var bus: SystemBus?
    var browser: ServiceBrowser?
    /// The announcements have changed, and the earliest time of their evaluation.
    var hasAnnouncements = false
    var nextAnnouncements = MonotonicTime(nanoseconds: 0)
    /// When this machine's addresses are read next.
    var nextNetworks = MonotonicTime(nanoseconds: 0)
    /// The clients of the control socket.
    var control = ControlClients(nil)
    /// When the next attempt to connect to the bus is made.
    var nextBus: MonotonicTime?
    /// The last log line about the network, so that it is not repeated.
    var saidNetwork = ""
    /// Running ports, and when each is asked for its status.
    var rounds = StatusRounds()
    let inquiries: PortInquiries
    /// Ports found at the start that were not asked yet; nil until the launcher has listed the running ones.
    var adopting: Set<DeviceName>?
    /// Ports that have started to run, and whose first answer will be logged.
    var beginning: Set<DeviceName> = []
    /// When to log that systemd does not list its units.
    var patienceEnds: MonotonicTime?
    var saidShortage = false
    /// The last logged reasons why ports could not be started.
    var saidFailures: [DeviceName: String] = [:]
    private let configure: () -> Configuration?
    private let signals = SignalQueue()
    private let settings: Settings
    private var heartbeat = Heartbeat()

    /// - Parameter configure: reads the configuration; nil, with the errors logged, if it is invalid.
    /// - Throws: `SupervisorError`.
    package init(_ settings: Settings, configure: @escaping () -> Configuration?, log: Logger) throws(SupervisorError) {
        guard let configuration = configure() else { throw SupervisorError("the configuration has errors") }
        self.settings = settings
        self.configure = configure
        self.log = log
        let usesSystemd = settings.backend == .systemd || settings.backend == .auto && SystemdLauncher.isBooted
        launcher = usesSystemd ? SystemdLauncher() : ChildLauncher()
        inquiries = PortInquiries(most: budget.inquiries)
        processes = ProcessWatch(most: budget.watches)
        ledger = LedgerFile(settings.state, log: log)
        planner = Planner(configuration, minors: MinorTable(), isTaken: DeviceNumbers.areTaken)
    }

    /// Serves until a signal arrives. SIGTERM keeps the ports running, for the next supervisor to adopt; SIGINT
    /// (Ctrl-C in a terminal) ends them; SIGHUP reads the configuration again.
    package func run() throws {
        let lock = try SupervisorLock(settings.lock)
        try DeviceNumbers.checkModule()
        let remembered = ledger.load()
        planner = Planner(planner.configuration, minors: remembered.minors, isTaken: DeviceNumbers.areTaken)
        for (name, port) in remembered.names { planner.remember(name, port) }
        control = openControl()
        patienceEnds = .now + .seconds(10)
        connect(.now)
        if launcher is SystemdLauncher && bus == nil {
            throw SupervisorError("cannot reach systemd: \(saidNetwork)")
        }
        log.notice("running ports by \(launcher.description)\(watching)")
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
                log.notice("ended by SIGTERM; ports keep running")
                return
            }
        }
        _ = lock
    }

    private var watching: String {
        let types = planner.configuration.types
        return types.isEmpty
            ? "; not browsing the network" : "; browsing for \(types.joined(separator: ", "))"
    }

    /// Carries out due work, then waits for an event.
    /// - Returns: a signal; 0 without one.
    private func turn() -> Int32? {
        let now = MonotonicTime.now
        planner.unixTime = UInt64(clamping: time(nil))
        processNetwork(now)
        launcher.advance(now)
        for event in launcher.takeEvents() { take(event, now) }
        askPorts(now)
        planner.advance(now)
        reconcile(now)
        ledger.advance(now)
        heartbeat.beat(status, now)
        return wait()
    }

    private func wait() -> Int32? {
        var polls = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
        polls.append(pollfd(fd: bus?.descriptor ?? -1, events: bus?.events ?? 0, revents: 0))
        let (names, watches) = processes.polls()
        let clients = control.polls
        polls += clients + watches + inquiries.polls + launcher.polls
        let deadlines: [MonotonicTime?] = [
            bus?.deadline, browser?.nextDeadline, nextBus, launcher.nextDeadline, planner.nextDeadline(.now),
            reconciler.nextDeadline(.now), rounds.nextDeadline, inquiries.nextDeadline, ledger.nextDeadline,
            patienceEnds, hasAnnouncements ? nextAnnouncements : nil, nextNetworks, control.nextDeadline,
            heartbeat.nextDeadline,
        ]
        let deadline = deadlines.compactMap(\.self).min()
        // Only memory can run out here; then one more pass is harmless.
        _ = try? waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
        control.process(polls.dropFirst(2).prefix(clients.count), .now, answer)
        for (name, poll) in zip(names, polls.dropFirst(2 + clients.count)) where poll.revents != 0 {
            processEnded(name)
        }
        return polls[0].revents != 0 ? signals.take() : 0
    }

    /// - Returns: false if the configuration is invalid.
    @discardableResult
    func reload() -> Bool {
        guard let configuration = configure() else {
            log.error("configuration has errors; keeping the previous one")
            return false
        }
        let types = planner.configuration.types
        planner.configure(configuration, .now)
        if types != configuration.types { restartBrowser(.now) } else { browser?.reload(.now) }
        log.notice("configuration reloaded\(watching)")
        return true
    }

    private func endPorts() {
        // A port that has just started may not have answered yet.
        let names = beginning.union(reconciler.runningNames)
        log.notice("ended by SIGINT; ending \(names.count) ports")
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
