import Glibc
import Platform
import PortPlan
import SerialLine
import SystemBus

/// Runs ports as systemd units, `ttynvt@INSTANCE.service`, which it starts and watches over D-Bus
/// (org.freedesktop.systemd1(5)). Each unit has its arguments in an environment file, which systemd reads at every
/// start: systemd itself restarts a crashed port, even while there is no supervisor. The starter writes those files
/// and gives systemd its orders; this class only reads states and receives signals, which needs no privilege.
final class SystemdLauncher: Launcher {
    /// sd_booted(3).
    static var isBooted: Bool { FileSystem.kind(of: "/run/systemd/system") == S_IFDIR }

    private static let destination = "org.freedesktop.systemd1"
    private static let manager = "org.freedesktop.systemd1.Manager"

    private let starter = StarterClient()
    private var bus: SystemBus?
    /// Ports that root was asked to retire, and when the request is repeated.
    private var nextRetire: [DeviceName: MonotonicTime] = [:]
    private static let retirePause: UInt64 = .seconds(60)
    /// Signals about units, and their sender.
    private var signals: BusMatch?
    private var owner: BusOwnerWatch?
    /// Units that are being started, by the supervisor or by systemd.
    private var jobs = UnitJobs()
    /// systemd is asked about one batch of units at a time.
    private var isLooking = false
    /// When all units are listed next; nil without a bus, and during a listing.
    private var nextList: MonotonicTime?
    private var events: [LaunchEvent] = []

    /// The pause between two listings of all units, and after a failed one, in nanoseconds.
    static let listPause: UInt64 = .seconds(30)
    private static let listAgain: UInt64 = .seconds(2)
    /// Longest wait for an answer of systemd, in nanoseconds.
    private static let patience: UInt64 = .seconds(5)

    let description = "systemd"
    let looksItself = true

    // MARK: The bus

    func use(_ bus: SystemBus?) {
        self.bus = bus
        signals = nil
        owner = nil
        nextList = nil
        isLooking = false
        guard let bus else { return }
        lookAgain(.now)
        do throws(BusError) {
            // Without these signals, the periodic listing must suffice.
            signals = try bus.match(sender: Self.destination, interface: Self.manager, member: "JobRemoved") {
                [weak self] in self?.jobRemoved($0.arguments)
            }
            owner = try bus.watchOwner(of: Self.destination) { [weak self] owner in
                if owner != nil { self?.subscribe() }
            }
        } catch {}
    }

    /// systemd is available, for the first time or again (daemon-reexec). It sends signals only to subscribers;
    /// earlier signals are lost.
    private func subscribe() {
        try? bus?.send(call("Subscribe"))
        lookAgain(.now)
    }

    private func lookAgain(_ now: MonotonicTime) {
        jobs.hurryAll(now)
        nextList = now
    }

    private func call(_ member: String, _ arguments: BusValue...) -> BusCall {
        var call = BusCall(
            Self.destination, path: "/org/freedesktop/systemd1", interface: Self.manager, member)
        call.arguments = arguments
        return call
    }

    // MARK: Units

    func start(_ spec: PortSpec) {
        jobs.started(spec.name, .now)
        starter.submit(.start(spec)) { [weak self] answer in
            guard case .failure(let fault) = answer, let self, jobs.refused(spec.name) else { return }
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
        jobs.ended(name, .now)
    }

    func stop(_ name: DeviceName) { starter.submit(.stop(name)) }

    func stopStarting() { jobs.starts.forEach(stop) }

    /// May be called repeatedly: an open port remains until it is closed.
    func retire(_ name: DeviceName) {
        let now = MonotonicTime.now
        if let next = nextRetire[name], next > now { return }
        nextRetire[name] = now + Self.retirePause
        starter.submit(.retire(name))
    }

    func forget(_ name: DeviceName) { starter.submit(.forget(name)) }

    var polls: [pollfd] { starter.polls }

    var nextDeadline: MonotonicTime? {
        let look = bus == nil ? nil : sooner(isLooking ? nil : jobs.nextDeadline, nextList)
        return sooner(starter.nextDeadline, look)
    }

    func advance(_ now: MonotonicTime) {
        starter.advance(now)
        guard bus != nil else { return }
        if !isLooking { look(at: jobs.takeDue(now), now) }
        if let nextList, nextList <= now { list(now) }
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

    // MARK: States of units

    /// JobRemoved(u id, o job, s unit, s result): a reason to check the unit. The result may be that of a stop.
    private func jobRemoved(_ arguments: [BusValue]) {
        guard arguments.count == 4, let name = arguments[2].text.flatMap(UnitName.name) else { return }
        jobs.hurry(name, .now)
    }

    /// Asks for the states of units. A missing answer is asked for again: each check schedules the next.
    private func look(at names: [DeviceName], _ asked: MonotonicTime) {
        guard !names.isEmpty else { return }
        let query = call("ListUnitsByNames", .strings(names.map(UnitName.unit)))
        do throws(BusError) {
            try bus?.call(query, timeout: Self.patience) { [weak self] answer in
                guard let self else { return }
                isLooking = false
                guard let units = Self.units(answer) else { return }
                for name in names {
                    // systemd lists exactly the requested units; a wrong answer has no effect.
                    guard let state = units[name] else { continue }
                    if let event = jobs.take(name, state, asked: asked, .now) { events.append(event) }
                }
            }
            isLooking = true
        } catch {}
    }

    private func list(_ now: MonotonicTime) {
        nextList = nil
        let query = call("ListUnitsByPatterns", .strings([]), .strings([UnitName.pattern]))
        do throws(BusError) {
            try bus?.call(query, timeout: Self.patience) { [weak self] answer in
                guard let self else { return }
                guard let units = Self.units(answer) else {
                    nextList = .now + Self.listAgain
                    return
                }
                nextList = .now + Self.listPause
                let present = units.filter { ["active", "activating", "reloading"].contains($0.value.active) }
                events.append(.present(Set(present.keys)))
            }
        } catch { nextList = now + Self.listAgain }
    }

    /// - Returns: the ports' units in a(ssssssouso): name, description, load state, active state, sub state, followed
    ///   unit, path, job, …; nil for another type.
    private static func units(_ answer: Result<[BusValue], BusError>) -> [DeviceName: UnitJobs.State]? {
        guard let list = (try? answer.get())?.first?.items else { return nil }
        var units: [DeviceName: UnitJobs.State] = [:]
        for fields in list.map(\.items) {
            guard let fields, fields.count > 7, let unit = fields[0].text, let active = fields[3].text else {
                return nil
            }
            guard let name = UnitName.name(of: unit) else { continue }
            var state = UnitJobs.State(active)
            if case .uint32(let job) = fields[7], job != 0 { state.hasJob = true }
            units[name] = state
        }
        return units
    }
}
