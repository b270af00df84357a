import Glibc
import Logging
import Platform
import PortControl
import PortPlan
import SerialLine

// What is done about ports.
extension Supervisor {
    private static let askPause: UInt64 = .seconds(1)

    /// Takes over the ports of ours that run.
    func adopt(_ now: MonotonicTime) throws {
        for name in try launcher.adopt() { unclear[name] = now }
        askUnclear(now)
        let count = reconciler.runningNames.count
        if count > 0 { log.notice("\(count) running ports found") }
    }

    /// Asks ports that have not answered yet.
    func askUnclear(_ now: MonotonicTime) {
        for (name, when) in unclear where when <= now {
            switch Result(catching: { () throws(PortControlError) in try PortControlClient(name).status() }) {
            case .success(let status):
                unclear[name] = nil
                guard processes.watch(name, status.pid) else { return launcher.processEnded(name) }
                if PortSpec.Origin(options: status.options) == .announced {
                    planner.remember(name, status.servers, now)
                }
                reconciler.found(name, status.running, now)
            case .failure(.noSuchPort):
                // Gone, or not there yet: whoever starts ports knows.
                unclear[name] = now + Self.askPause
                launcher.processEnded(name)
            case .failure:
                unclear[name] = now + Self.askPause
            }
        }
    }

    /// Makes what runs into what is wanted, as far as that can be done now.
    func reconcile(_ now: MonotonicTime) {
        reconciler.want(planner.wanted, denied: planner.denied, isProvisional: planner.isProvisional)
        minors.store(planner.minors)
        for note in planner.notes { log.warning("\(note)") }
        planner.notes = []
        while true {
            let steps = reconciler.steps(now)
            if steps.isEmpty { return }
            for step in steps { carryOut(step, now) }
        }
    }

    private func carryOut(_ step: Step, _ now: MonotonicTime) {
        do {
            switch step {
            case .start(let spec): return try start(spec, now)
            case .setServers(let name, let servers):
                if let spec = planner.wanted.first(where: { $0.name == name }) { launcher.update(spec) }
                try PortControlClient(name).setServers(servers)
                tell(name, "is at \(servers.listed) now")
            case .retire(let name):
                try PortControlClient(name).retire()
                log.notice("/dev/\(name) is not wanted any more: it goes when no program has it open")
            case .keep(let name):
                try PortControlClient(name).keep()
                log.notice("/dev/\(name) is wanted again: it stays")
            }
            reconciler.done(step, now)
        } catch {
            // Most often it is just ending, which is noticed by itself.
            log.info("\(error)")
            reconciler.failed(step, now)
        }
    }

    private func start(_ spec: PortSpec, _ now: MonotonicTime) throws {
        guard unclear[spec.name] == nil else { return reconciler.failed(.start(spec), now) }
        if let fault = DeviceNumbers.fault(of: spec.name) {
            sayFailure(spec.name, fault)
            return reconciler.failed(.start(spec), now)
        }
        let major = planner.configuration.major
        if major != 0, let minor = planner.minors[spec.name], DeviceNumbers.areTaken(major, minor) {
            log.warning("device number \(major):\(minor) of \(spec.name) is another device's: it gets another one")
            reconciler.failed(.start(spec), now)
            return planner.renumber(spec.name, now)
        }
        log.info("starting \(spec.arguments.joined(separator: " "))")
        launcher.start(spec)
    }

    /// What a launcher says of a port.
    func take(_ event: LaunchEvent, _ now: MonotonicTime) {
        switch event {
        case .runs(let name): began(name, now)
        case .failed(let name, let why):
            sayFailure(name, "cannot start /dev/\(name): \(why)")
            if case .start(let spec)? = reconciler.underway(name) { reconciler.failed(.start(spec), now) }
        case .ended(let name, let why):
            unclear[name] = nil
            SerialLink.remove(name)
            let isTold = reconciler.isRetiring(name)
            reconciler.ended(name, now)
            if isTold { log.notice("/dev/\(name) is gone") } else { log.error("/dev/\(name) is gone: \(why)") }
            if !planner.wanted.contains(where: { $0.name == name }) { launcher.forget(name) }
        }
    }

    /// A port's process runs: a new one, or one that somebody else has started again.
    private func began(_ name: DeviceName, _ now: MonotonicTime) {
        do {
            let status = try PortControlClient(name).status()
            guard processes.watch(name, status.pid) else { return launcher.processEnded(name) }
            if case .start(let spec)? = reconciler.underway(name) { reconciler.done(.start(spec), now) }
            reconciler.found(name, status.running, now)
            saidFailures[name] = nil
            SerialLink.make(name)
            tell(name, "(\(status.major):\(status.minor)) is there, for \(status.servers.listed)")
        } catch {
            log.warning("\(error)")
            if case .start(let spec)? = reconciler.underway(name) { reconciler.failed(.start(spec), now) }
            unclear[name] = now + Self.askPause
        }
    }

    /// A port's process is gone.
    func processEnded(_ name: DeviceName) {
        processes.forget(name)
        launcher.processEnded(name)
    }

    /// Says what happened to a port. Its own log says so as well: where both are one, not at the usual level.
    private func tell(_ name: DeviceName, _ what: String) {
        log.log(level: launcher is SystemdLauncher ? .notice : .info, "/dev/\(name) \(what)")
    }

    /// Says once why a port is not there.
    private func sayFailure(_ name: DeviceName, _ why: String) {
        guard saidFailures[name] != why else { return }
        saidFailures[name] = why
        log.error("\(why)")
    }
}

extension PortStatus {
    /// As the reconciler sees it.
    fileprivate var running: RunningPort {
        RunningPort(servers: servers, options: options, isRetiring: isRetiring)
    }
}
