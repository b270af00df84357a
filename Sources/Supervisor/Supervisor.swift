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
/// It compares the wanted ports with the running ones, and its knowledge of these with the kernel, systemd and the ports
/// themselves, on timers, whatever it was told. It never waits for one port. After any loss — an answer, a signal of the
/// bus, a file, its own process — the wanted state is reached again within these times, counted while the machine is
/// awake (CLOCK_MONOTONIC; setting the clock changes nothing):
///
/// | Lost, or wrong | Reached again |
/// |---|---|
/// | the supervisor, at any step | at its next start: READY at once, each port is known when it has answered, 1 s for one that does not; it is asked again at least once a minute |
/// | the end of a port's process | 0.2 s by its pidfd; without one 5 s, or 30 s by the list of units |
/// | a signal of systemd about a job | 5 s (then the unit is looked at each second); after 30 s its place is another port's |
/// | a unit started or stopped by somebody else | 30 s (the list of units), 0.2 s for the stop of one that ran |
/// | the bus | 5 s after it is back; systemd itself (daemon-reexec) at once |
/// | an order to a port that did not get it | after 0.5 s, doubling to 60 s |
/// | a change of a port that no order of ours made | 60 s, or 1 s for one that is watched closely |
/// | the state file: full disk, removed, an older copy | 5 s, doubling to 60 s; 60 s |
///
/// By topic: `+Network` (the bus and Avahi), `+Steps` (what is done about ports), `+Control` (what a person asks).
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
    /// The announcements have changed, and the time when they may be taken again.
    var hasAnnouncements = false
    var nextAnnouncements = MonotonicTime(nanoseconds: 0)
    /// When the addresses of this machine are read again.
    var nextNetworks = MonotonicTime(nanoseconds: 0)
    /// The clients of the control socket.
    var control = ControlClients(nil)
    /// When the bus is tried again.
    var nextBus: MonotonicTime?
    /// What was said last about the network, so that it is said once.
    var saidNetwork = ""
    /// Ports that run, and when each is asked for its status.
    var rounds = StatusRounds()
    let inquiries: PortInquiries
    /// Ports found at the start that have not been asked yet; nil until the launcher has listed the running ones.
    var adopting: Set<DeviceName>?
    /// Ports that have begun to run, and whose first answer will be logged.
    var beginning: Set<DeviceName> = []
    /// The time to say that systemd does not list its units.
    var patienceEnds: MonotonicTime?
    var saidShortage = false
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
        inquiries = PortInquiries(most: budget.inquiries)
        processes = ProcessWatch(most: budget.watches)
        ledger = LedgerFile(settings.state, log: log)
        planner = Planner(configuration, minors: MinorTable(), isTaken: DeviceNumbers.areTaken)
    }

    /// Serves until a signal comes. SIGTERM leaves the ports running, for the next supervisor to adopt; SIGINT, the
    /// Ctrl-C of who started it by hand, ends them; SIGHUP reads the configuration anew.
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
            throw SupervisorError("systemd cannot be reached: \(saidNetwork)")
        }
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
        // Nothing can fail here but memory; then a turn too many does no harm.
        _ = try? waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
        control.process(polls.dropFirst(2).prefix(clients.count), .now, answer)
        for (name, poll) in zip(names, polls.dropFirst(2 + clients.count)) where poll.revents != 0 {
            processEnded(name)
        }
        return polls[0].revents != 0 ? signals.take() : 0
    }

    /// - Returns: false if the configuration is wrong.
    @discardableResult
    func reload() -> Bool {
        guard let configuration = configure() else {
            log.error("the configuration is wrong: the one before stays in force")
            return false
        }
        let types = planner.configuration.types
        planner.configure(configuration, .now)
        if types != configuration.types { restartBrowser(.now) } else { browser?.reload(.now) }
        log.notice("the configuration was read anew\(watching)")
        return true
    }

    private func endPorts() {
        // One that has begun may not have answered yet.
        let names = beginning.union(reconciler.runningNames)
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
