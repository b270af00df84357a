import Glibc
import Logging
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemPackage

// Orders to ports, and their answers.
extension Supervisor {
    /// Interval of status requests to a port whose process cannot be watched, in nanoseconds.
    private static let unwatchedPause: UInt64 = .seconds(5)

    // MARK: Answers

    /// Sends the status requests that are due, and handles answers. Never blocks.
    func askPorts(_ now: MonotonicTime) {
        inquiries.advance(now)
        for answer in inquiries.takeAnswers() {
            if let step = answer.step { take(answer.result, of: step, now) } else { take(answer, now) }
        }
        for name in rounds.takeDue(now) { inquiries.askStatus(name, now) }
        if let shortage = inquiries.shortage { say(shortage) }
        if let patienceEnds, patienceEnds <= now {
            self.patienceEnds = nil
            log.warning("systemd does not list its units; no port is started until it does")
            if browser == nil { restartBrowser(now) }
        }
    }

    private func take(_ answer: PortInquiries.Answer, _ now: MonotonicTime) {
        let name = answer.name
        guard rounds.contains(name) else { return }
        switch answer.result {
        case .success(let status?): observed(name, status, now)
        case .success(nil): break
        case .failure(let error): silent(name, error, now)
        }
        if adopting?.remove(name) != nil { sayAdopted() }
    }

    /// A port has not answered.
    private func silent(_ name: DeviceName, _ error: PortControlError, _ now: MonotonicTime) {
        if rounds.silent(name, now) { log.warning("/dev/\(name): \(error); retrying from time to time") }
        switch error {
        case .notPermitted, .refused(_, PortControl.notPermitted):
            // The port was started before the supervisor had a user of its own, and obeys only root.
            launcher.retire(name)
        default: break
        }
        // Even if the port runs, it no longer counts towards the limit of starting ports.
        if case .start(let spec)? = reconciler.underway(name) { reconciler.failed(.start(spec), now) }
        // The port has ended, or is not ready yet: the launcher knows which.
        guard case .noSuchPort = error, launcher.looksItself || !processes.isWatched(name) else { return }
        launcher.processEnded(name)
    }

    /// A port has reported its status.
    func observed(_ name: DeviceName, _ status: PortStatus, _ now: MonotonicTime) {
        let origin = PortSpec.Origin(options: status.options)
        // A port that was started by hand does not belong to the supervisor.
        guard launcher.looksItself || origin != nil else { return rounds.remove(name) }
        let isNew = rounds.isUnclear(name)
        if rounds.answered(name, now) { log.notice("/dev/\(name) answers again") }
        switch processes.watch(name, status.pid) {
        case .watched: break
        case .gone:
            _ = rounds.silent(name, now)
            return launcher.processEnded(name)
        case .shortage(let error):
            say(error)
            rounds.hurry(name, within: Self.unwatchedPause, now)
        }
        // An announcement that was received before this port was found does not change its servers.
        if isNew, origin == .announced { planner.remember(name, status.servers, now) }
        planner.observe(name, health(of: status, now), now)
        if case .start(let spec)? = reconciler.underway(name) { reconciler.done(.start(spec), now) }
        reconciler.found(name, status.running, now)
        saidFailures[name] = nil
        if beginning.remove(name) != nil {
            SerialLink.make(name)
            tell("created /dev/\(name) (\(status.major):\(status.minor)) for \(status.servers.listed)")
        }
    }

    /// The state of a port's connection.
    private func health(of status: PortStatus, _ now: MonotonicTime) -> PortHealth {
        switch status.link {
        case .connected: return .connected(to: status.peer ?? "")
        case .connecting, .lost:
            let seconds = UInt64(clamping: Int64(time(nil)) - status.since)
            return .failing(
                since: MonotonicTime(nanoseconds: now.nanoseconds - min(.seconds(seconds), now.nanoseconds)))
        case .idle, .disconnecting: return .idle
        }
    }

    /// The launcher has listed the running ports.
    private func take(present: Set<DeviceName>, _ now: MonotonicTime) {
        patienceEnds = nil
        for name in present where !rounds.contains(name) {
            // A port that is being started is asked once it runs.
            if case .start? = reconciler.underway(name) { continue }
            rounds.add(name, now)
            if adopting == nil { log.debug("/dev/\(name) is already running") }
        }
        for name in rounds.names.subtracting(present) where launcher.looksItself || !processes.isWatched(name) {
            launcher.processEnded(name)
        }
        guard adopting == nil else { return }
        adopting = present
        if browser == nil { restartBrowser(now) }
        sayAdopted()
    }

    /// Logs the number of ports found at the start, once all of them were asked.
    private func sayAdopted() {
        guard adopting == [] else { return }
        let count = reconciler.runningNames.count
        if count > 0 { log.notice("\(count) running ports found") }
    }

    /// Logs once that this process lacks descriptors or memory.
    private func say(_ shortage: Errno) {
        guard !saidShortage else { return }
        saidShortage = true
        log.error(
            """
            ports cannot be watched as they should: \(shortage). They run on, and their end is noticed later. \
            The limit is \(budget.limit) descriptors: raise LimitNOFILE= of the supervisor's unit (or ulimit -n) to \
            100 more than there are ports
            """)
    }

    // MARK: Orders

    /// Carries out the reconciler's steps, as far as possible now.
    func reconcile(_ now: MonotonicTime) {
        reconciler.want(planner.wanted, denied: planner.denied, isProvisional: planner.isProvisional)
        ledger.store(PortLedger(minors: planner.minors, names: planner.remembered), now)
        rounds.watchClosely(planner.watched, now)
        for note in planner.notes { log.warning("\(note)") }
        planner.notes = []
        // The running ports are unknown yet, so none can count as missing.
        guard adopting != nil else { return }
        while true {
            let steps = reconciler.steps(now)
            if steps.isEmpty { return }
            for step in steps { carryOut(step, now) }
        }
    }

    private func carryOut(_ step: Step, _ now: MonotonicTime) {
        switch step {
        case .start(let spec): start(spec, now)
        case .setServers(let name, let servers):
            if let spec = planner.wanted.first(where: { $0.name == name }) { launcher.update(spec) }
            inquiries.order(name, .servers(servers), for: step, now)
        case .retire(let name): inquiries.order(name, .retire, for: step, now)
        case .keep(let name): inquiries.order(name, .keep, for: step, now)
        }
    }

    /// Handles the result of an order.
    private func take(_ result: Result<PortStatus?, PortControlError>, of step: Step, _ now: MonotonicTime) {
        // The port may have ended meanwhile, and been replaced by another one.
        guard reconciler.underway(step.name) == step else { return }
        if case .failure(let error) = result {
            // Usually the port is just ending, which is detected separately.
            log.info("\(error)")
            return reconciler.failed(step, now)
        }
        switch step {
        case .start: break
        case .setServers(let name, let servers): tell("/dev/\(name): servers changed to \(servers.listed)")
        case .retire(let name):
            log.notice("/dev/\(name) is no longer announced or configured; removing it once no program has it open")
        case .keep(let name): log.notice("/dev/\(name) is wanted again; retirement cancelled")
        }
        reconciler.done(step, now)
    }

    private func start(_ spec: PortSpec, _ now: MonotonicTime) {
        // A port of that name runs, and has not answered yet.
        guard !rounds.contains(spec.name) else { return reconciler.failed(.start(spec), now) }
        if let fault = DeviceNumbers.fault(of: spec.name) {
            sayFailure(spec.name, fault)
            return reconciler.failed(.start(spec), now)
        }
        let major = planner.configuration.major
        if major != 0, let minor = planner.minors[spec.name], let holder = DeviceNumbers.holder(of: major, minor) {
            let taken = "device number \(major):\(minor) of /dev/\(spec.name) is in use by \(holder)"
            reconciler.failed(.start(spec), now)
            if isFixed(spec.name) {
                return sayFailure(
                    spec.name,
                    "\(taken); waiting until it is free (or set another minor in [port \(spec.name.port)])"
                )
            }
            log.warning("\(taken); choosing another number")
            return planner.renumber(spec.name, now)
        }
        log.info("starting \(spec.arguments.joined(separator: " "))")
        launcher.start(spec)
    }

    /// Whether the configuration sets a port's number.
    private func isFixed(_ name: DeviceName) -> Bool {
        planner.configuration.sections.contains { $0.minor != nil && $0.pattern.description == name.port }
    }

    /// Handles an event of the launcher.
    func take(_ event: LaunchEvent, _ now: MonotonicTime) {
        switch event {
        case .present(let names): take(present: names, now)
        case .runs(let name):
            // The port counts as running once it has answered. A port that was silent before is asked after its
            // pause.
            beginning.insert(name)
            if !rounds.contains(name) { rounds.add(name, now) }
        case .failed(let name, let why):
            sayFailure(name, "cannot start /dev/\(name): \(why)")
            if case .start(let spec)? = reconciler.underway(name) { reconciler.failed(.start(spec), now) }
        case .ended(let name, let end): ended(name, end, now)
        }
    }

    private func ended(_ name: DeviceName, _ end: LaunchEvent.End, _ now: MonotonicTime) {
        let wasKnown = reconciler.isRunning(name)
        let isTold = reconciler.isRetiring(name)
        rounds.remove(name)
        processes.forget(name)
        beginning.remove(name)
        planner.observe(name, .idle, now)
        if case .start(let spec)? = reconciler.underway(name) {
            sayFailure(name, "cannot start /dev/\(name): \(why(name, end))")
            reconciler.failed(.start(spec), now)
        }
        SerialLink.remove(name)
        reconciler.ended(name, now)
        if isTold {
            log.notice("removed /dev/\(name)")
        } else if wasKnown {
            log.error("/dev/\(name) has ended: \(why(name, end))")
        }
        if adopting?.remove(name) != nil { sayAdopted() }
        if !planner.wanted.contains(where: { $0.name == name }) { launcher.forget(name) }
    }

    /// For the log: why a port has ended without an order, and the consequence.
    private func why(_ name: DeviceName, _ end: LaunchEvent.End) -> String {
        if case .other(let why) = end { return why }
        let unit = UnitName.unit(of: name)
        guard let spec = planner.wanted.first(where: { $0.name == name }) else {
            return "\(unit) was stopped by another program"
        }
        let remedy =
            PortSpec.Origin(options: spec.options) == .configured
            ? "configured (to disable it, remove its server from [port \(name.port)])"
            : "announced (to disable it, set deny-names = \(name.port) in [discovery])"
        return "\(unit) was stopped by another program; starting it again because it is \(remedy)"
    }

    /// A port's process has ended.
    func processEnded(_ name: DeviceName) {
        processes.forget(name)
        rounds.remove(name)
        launcher.processEnded(name)
    }

    /// Logs an event of a port. The port's own log contains it as well; if both logs are one, this line has a lower
    /// level.
    private func tell(_ what: String) {
        log.log(level: launcher is SystemdLauncher ? .notice : .info, "\(what)")
    }

    /// Logs once why a port cannot be started.
    private func sayFailure(_ name: DeviceName, _ why: String) {
        guard saidFailures[name] != why else { return }
        saidFailures[name] = why
        log.error("\(why)")
    }
}

extension PortStatus {
    /// The running port in the reconciler's form.
    fileprivate var running: RunningPort {
        RunningPort(servers: servers, options: options, isRetiring: isRetiring)
    }
}
