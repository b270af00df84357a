import Glibc
import Platform
import PortPlan
import SerialLine
import SystemBus

/// Ports as systemd's units, `ttynvt@INSTANCE.service`, started and watched over D-Bus (org.freedesktop.systemd1(5)).
/// Each has its arguments in an environment file, which systemd reads at every start: systemd itself starts a port
/// again that has crashed, also while there is no supervisor. The starter writes those files and gives systemd its
/// orders; here systemd is asked and listened to, which needs no right.
final class SystemdLauncher: Launcher {
    /// sd_booted(3).
    static var isBooted: Bool { FileSystem.kind(of: "/run/systemd/system") == S_IFDIR }

    private static let destination = "org.freedesktop.systemd1"
    private static let manager = "org.freedesktop.systemd1.Manager"

    private let starter = StarterClient()
    private var bus: SystemBus?
    private var jobs: BusMatch?
    /// Starts that are under way, by unit.
    private var starts: Set<DeviceName> = []
    /// Ports that root has told to end, and when they are told again.
    private var nextRetire: [DeviceName: MonotonicTime] = [:]
    /// Ports whose process is gone, and systemd's to start again.
    private var restarts: Set<DeviceName> = []
    /// Those end without a job that would tell: looked at until they have settled.
    private var nextLook: MonotonicTime?
    private var events: [LaunchEvent] = []

    private static let pause: UInt64 = .milliseconds(200)
    private static let retirePause: UInt64 = .seconds(60)

    let description = "systemd"

    // MARK: The bus

    func use(_ bus: SystemBus?) {
        self.bus = bus
        jobs = nil
        guard let bus else { return }
        do throws(BusError) {
            jobs = try bus.match(sender: Self.destination, interface: Self.manager, member: "JobRemoved") {
                [weak self] in self?.jobRemoved($0.arguments)
            }
            // Without a subscriber systemd sends no signals.
            try bus.send(call("Subscribe"))
        } catch { failStarts("\(error)") }
        // What was under way is looked at again: its signal may have been lost with the old bus.
        for name in starts { look(name) }
        for name in restarts { look(name) }
    }

    private func call(_ member: String, _ arguments: BusValue...) -> BusCall {
        var call = BusCall(
            Self.destination, path: "/org/freedesktop/systemd1", interface: Self.manager, member)
        call.arguments = arguments
        return call
    }

    private func failStarts(_ why: String) {
        events += starts.map { .failed($0, why) }
        starts.removeAll()
    }

    // MARK: Units

    func adopt() throws(SupervisorError) -> [DeviceName] {
        guard let bus else { throw SupervisorError("systemd cannot be reached: there is no system bus") }
        do throws(BusError) {
            let units = try bus.call(
                call(
                    "ListUnitsByPatterns", .strings(["active", "activating", "reloading"]),
                    .strings([UnitName.pattern])))
            return (units.first?.items ?? []).compactMap { $0.items?.first?.text.flatMap(UnitName.name) }
        } catch { throw SupervisorError("systemd cannot be asked for its units: \(error)") }
    }

    func start(_ spec: PortSpec) {
        starts.insert(spec.name)
        starter.submit(.start(spec)) { [weak self] answer in
            guard case .failure(let fault) = answer, let self, starts.remove(spec.name) != nil else { return }
            events.append(.failed(spec.name, "\(fault)"))
        }
    }

    func update(_ spec: PortSpec) {
        starter.submit(.write(spec)) { [weak self] answer in
            if case .failure(let fault) = answer { self?.events.append(.failed(spec.name, "\(fault)")) }
        }
    }

    func processEnded(_ name: DeviceName) {
        nextRetire[name] = nil
        restarts.insert(name)
        nextLook = .now + Self.pause
        look(name)
    }

    func stop(_ name: DeviceName) { starter.submit(.stop(name)) }

    func stopStarting() { starts.forEach(stop) }

    /// It may be asked for often: a port that is open stays until it is closed.
    func retire(_ name: DeviceName) {
        let now = MonotonicTime.now
        if let next = nextRetire[name], next > now { return }
        nextRetire[name] = now + Self.retirePause
        starter.submit(.retire(name))
    }

    func forget(_ name: DeviceName) { starter.submit(.forget(name)) }

    var polls: [pollfd] { starter.polls }

    var nextDeadline: MonotonicTime? {
        [starter.nextDeadline, restarts.isEmpty ? nil : nextLook].compactMap(\.self).min()
    }

    func advance(_ now: MonotonicTime) {
        starter.advance(now)
        guard let nextLook, nextLook <= now, !restarts.isEmpty else { return }
        self.nextLook = now + Self.pause
        for name in restarts { look(name) }
    }

    func finishOrders(by deadline: MonotonicTime) {
        while starter.isBusy, MonotonicTime.now < deadline {
            var polls = starter.polls
            let next = min(deadline, starter.nextDeadline ?? deadline)
            _ = try? waitForEvents(&polls, nanoseconds: next.nanosecondsFromNow)
            starter.advance(.now)
        }
    }

    func takeEvents() -> [LaunchEvent] {
        defer { events.removeAll() }
        return events
    }

    // MARK: What becomes of them

    /// JobRemoved(u id, o job, s unit, s result).
    private func jobRemoved(_ arguments: [BusValue]) {
        guard arguments.count == 4, let name = arguments[2].text.flatMap(UnitName.name),
            let result = arguments[3].text, starts.contains(name) || restarts.contains(name)
        else { return }
        if result == "done" { settle(name, runs: true, result) } else { look(name) }
    }

    /// Asks what state a unit is in.
    private func look(_ name: DeviceName) {
        let query = call("ListUnitsByPatterns", .strings([]), .strings([UnitName.unit(of: name)]))
        try? bus?.call(query) { [weak self] answer in
            guard let units = (try? answer.get())?.first?.items else { return }
            // name, description, load state, active state, sub state, followed unit, path, job, …
            let fields = units.first?.items ?? []
            let state = fields.count > 3 ? fields[3].text ?? "" : "inactive"
            // A unit that waits for others to start is inactive, and has a job.
            if fields.count > 7, case .uint32(let job) = fields[7], job != 0 { return }
            switch state {
            // Still at it, or about to be.
            case "activating", "deactivating", "reloading": return
            default: self?.settle(name, runs: state == "active", state)
            }
        }
    }

    private func settle(_ name: DeviceName, runs: Bool, _ state: String) {
        let wasStarting = starts.remove(name) != nil
        let wasRestarting = restarts.remove(name) != nil
        guard wasStarting || wasRestarting else { return }
        if runs {
            events.append(.runs(name))
        } else if wasStarting {
            events.append(.failed(name, "\(UnitName.unit(of: name)) is \(state): see journalctl TTYNVT_PORT=\(name)"))
        } else {
            events.append(.ended(name, "its unit is \(state)"))
        }
    }
}
