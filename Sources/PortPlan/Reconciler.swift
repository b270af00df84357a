import SerialLine

/// A step for one port.
package enum Step: Equatable, Sendable {
    case start(PortSpec)
    /// Its servers have changed; the process continues.
    case setServers(DeviceName, [Endpoint])
    /// It must end once no program has it open.
    case retire(DeviceName)
    /// Its retirement is cancelled.
    case keep(DeviceName)

    package var name: DeviceName {
        switch self {
        case .start(let spec): spec.name
        case .setServers(let name, _), .retire(let name), .keep(let name): name
        }
    }
}

/// Compares running and wanted ports, and returns the steps that make them equal. The caller carries out the steps,
/// reports each result (`done`, `failed`), and reports the end of ports (`ended`). It keeps no history: the next
/// comparison finds a lost result.
///
/// Each port has at most one step in progress; after a failure there is a pause that doubles.
package struct Reconciler: Sendable {
    /// The first and the longest pause after a failure, in nanoseconds.
    package static let firstPause: UInt64 = .milliseconds(500)
    package static let longestPause: UInt64 = .seconds(60)
    /// A port that has run for this time resets its count of failures, in nanoseconds.
    package static let soundAfter: UInt64 = .seconds(30)
    /// Most starts at once: each loads a process and creates a device.
    package static let mostStarting = 8

    private struct Entry: Sendable {
        var running: RunningPort?
        var runsSince = MonotonicTime(nanoseconds: 0)
        var underway: Step?
        var failures = 0
        var notBefore = MonotonicTime(nanoseconds: 0)

        mutating func fail(_ now: MonotonicTime) {
            notBefore = now + min(Reconciler.longestPause, Reconciler.firstPause << UInt64(min(failures, 7)))
            failures += 1
        }
    }

    private var wanted: [DeviceName: PortSpec] = [:]
    /// The listing of the network is incomplete: announced ports that are missing may still be wanted.
    private var isProvisional = true
    /// Ports that are unwanted even so.
    private var denied: Set<DeviceName> = []
    private var entries: [DeviceName: Entry] = [:]
    /// Ports that may need a step.
    private var unsettled: Set<DeviceName> = []

    package init() {}

    /// Sets the wanted ports.
    /// - Parameters:
    ///   - denied: ports that the configuration no longer allows: they are retired even if they are announced.
    ///   - isProvisional: a missing port may still be announced: it is not retired.
    package mutating func want(_ specs: [PortSpec], denied: Set<DeviceName> = [], isProvisional: Bool) {
        let before = wanted
        wanted = Dictionary(specs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (name, spec) in wanted where before[name] != spec {
            unsettled.insert(name)
            // Changed options are tried at once.
            if before[name]?.options != spec.options { entries[name]?.notBefore = MonotonicTime(nanoseconds: 0) }
        }
        for name in before.keys where wanted[name] == nil { unsettled.insert(name) }
        if self.isProvisional != isProvisional { unsettled.formUnion(entries.keys) }
        self.isProvisional = isProvisional
        unsettled.formUnion(denied.symmetricDifference(self.denied))
        self.denied = denied
    }

    /// A port was found running, or its state differs from the known one.
    package mutating func found(_ name: DeviceName, _ running: RunningPort, _ now: MonotonicTime) {
        var entry = entries[name, default: Entry()]
        if entry.running == nil {
            entry.runsSince = now
            // Earlier failures concerned its start, and do not affect the next step.
            entry.failures = 0
            entry.notBefore = now
        }
        entry.running = running
        entries[name] = entry
        unsettled.insert(name)
    }

    /// A step was carried out.
    package mutating func done(_ step: Step, _ now: MonotonicTime) {
        guard var entry = entries[step.name], entry.underway == step else { return }
        entry.underway = nil
        switch step {
        case .start(let spec):
            entry.running = RunningPort(servers: spec.servers, options: spec.options, isRetiring: false)
            entry.runsSince = now
        case .setServers(_, let servers): entry.running?.servers = servers
        case .retire: entry.running?.isRetiring = true
        case .keep: entry.running?.isRetiring = false
        }
        entries[step.name] = entry
        unsettled.insert(step.name)
    }

    /// A step has failed: it is repeated later, if it is still right then.
    package mutating func failed(_ step: Step, _ now: MonotonicTime) {
        guard entries[step.name]?.underway == step else { return }
        entries[step.name]?.underway = nil
        entries[step.name]?.fail(now)
        unsettled.insert(step.name)
    }

    /// A port's process has ended, and systemd does not restart it.
    package mutating func ended(_ name: DeviceName, _ now: MonotonicTime) {
        guard var entry = entries[name], let running = entry.running else { return }
        entry.running = nil
        if case .start = entry.underway {} else { entry.underway = nil }
        if running.isRetiring || now.since(entry.runsSince) >= Self.soundAfter { entry.failures = 0 }
        entry.notBefore = now
        if !running.isRetiring { entry.fail(now) }
        entries[name] = entry
        unsettled.insert(name)
    }

    /// The steps to carry out now. Each is in progress from here on, until `done`, `failed` or `ended`.
    package mutating func steps(_ now: MonotonicTime) -> [Step] {
        var steps: [Step] = []
        var starting = entries.values.count { if case .start = $0.underway { true } else { false } }
        for name in unsettled.sorted(by: { $0.description < $1.description }) {
            guard entries[name]?.underway == nil else { continue }
            guard let step = step(for: name) else {
                unsettled.remove(name)
                if let entry = entries[name], entry.running == nil, wanted[name] == nil { entries[name] = nil }
                continue
            }
            guard (entries[name]?.notBefore).map({ $0 <= now }) ?? true else { continue }
            if case .start = step {
                guard starting < Self.mostStarting else { continue }
                starting += 1
            }
            entries[name, default: Entry()].underway = step
            steps.append(step)
        }
        return steps
    }

    private func step(for name: DeviceName) -> Step? {
        switch (wanted[name], entries[name]?.running) {
        case (nil, nil): return nil
        case (let spec?, nil): return .start(spec)
        case (nil, let running?):
            let mayBeWanted =
                isProvisional && !denied.contains(name)
                && PortSpec.Origin(options: running.options) != .configured
            return running.isRetiring || mayBeWanted ? nil : .retire(name)
        case (let spec?, let running?):
            // A port that will be replaced may be in use for a long time, so its servers are updated.
            if spec.servers != running.servers { return .setServers(name, spec.servers) }
            guard spec.options == running.options else { return running.isRetiring ? nil : .retire(name) }
            return running.isRetiring ? .keep(name) : nil
        }
    }

    /// When the next pause ends; nil otherwise.
    package func nextDeadline(_ now: MonotonicTime) -> MonotonicTime? {
        unsettled.compactMap { name in
            guard let entry = entries[name], entry.underway == nil, entry.notBefore > now else { return nil }
            return entry.notBefore
        }.min()
    }

    package var runningNames: [DeviceName] { entries.filter { $0.value.running != nil }.map(\.key) }
    /// Whether a port is known to run.
    package func isRunning(_ name: DeviceName) -> Bool { entries[name]?.running != nil }
    /// Whether a port ends once no program has it open.
    package func isRetiring(_ name: DeviceName) -> Bool { entries[name]?.running?.isRetiring ?? false }
    /// The step in progress for a port.
    package func underway(_ name: DeviceName) -> Step? { entries[name]?.underway }
}
