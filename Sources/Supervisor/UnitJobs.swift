import SerialLine

/// The units that are being started, by us or by systemd itself, and the time of the next look at each. Pure: the time
/// is an argument, states come from outside, and the meaning of a state is an event.
///
/// Signals only hurry a look: the state that systemd tells when it is asked counts. A signal that is lost costs
/// time, and a job's "done" says nothing, because the job may have been a stop.
struct UnitJobs {
    /// A start whose end no signal tells is looked at after this time, and each second from then on, in nanoseconds.
    static let startLimit: UInt64 = .seconds(5)
    /// Then it counts as failed, and its place is another port's; in nanoseconds. systemd itself gives a unit 20 s
    /// (TimeoutStartSec= of ttynvt@.service).
    static let startPatience: UInt64 = .seconds(30)
    static let pause: UInt64 = .seconds(1)
    /// How often one is looked at that systemd starts again.
    static let restartPause: UInt64 = .milliseconds(200)

    /// A unit, as ListUnitsByNames(as) tells it.
    struct State {
        /// ActiveState, such as `activating`.
        var active: String
        /// A job waits or runs for it.
        var hasJob = false

        init(_ active: String, hasJob: Bool = false) {
            self.active = active
            self.hasJob = hasJob
        }
    }

    private struct Work {
        /// nil if its process has ended, and systemd may start it again.
        var startedAt: MonotonicTime?
        var nextLook: MonotonicTime
    }

    private var works: [DeviceName: Work] = [:]

    /// Starts under way.
    var starts: [DeviceName] { works.filter { $0.value.startedAt != nil }.map(\.key) }

    /// A unit is being started by us.
    mutating func started(_ name: DeviceName, _ now: MonotonicTime) {
        works[name] = Work(startedAt: now, nextLook: now + Self.startLimit)
    }

    /// A start could not even be asked for.
    /// - Returns: false if no start was under way.
    mutating func refused(_ name: DeviceName) -> Bool {
        guard works[name]?.startedAt != nil else { return false }
        works[name] = nil
        return true
    }

    /// A unit's process is gone, or seems to be. A start that is under way stays one.
    mutating func ended(_ name: DeviceName, _ now: MonotonicTime) {
        works[name, default: Work(nextLook: now)].nextLook = now
    }

    /// A signal has come about a unit: if a result of it is due, it is looked at now.
    mutating func hurry(_ name: DeviceName, _ now: MonotonicTime) { works[name]?.nextLook = now }

    /// Signals may have been lost: all units are looked at.
    mutating func hurryAll(_ now: MonotonicTime) {
        for name in works.keys { works[name]?.nextLook = now }
    }

    /// The units to look at now, and again after a pause.
    mutating func takeDue(_ now: MonotonicTime) -> [DeviceName] {
        let due = works.filter { $0.value.nextLook <= now }.map(\.key)
        for name in due {
            let isRestart = works[name]?.startedAt == nil
            works[name]?.nextLook = now + (isRestart ? Self.restartPause : Self.pause)
        }
        return due
    }

    var nextDeadline: MonotonicTime? { works.values.lazy.map(\.nextLook).min() }

    /// Takes a state that systemd has told.
    /// - Parameter asked: the time of the question: it says nothing about a later start.
    /// - Returns: its meaning; nil as long as the unit is changing, or if no result is due.
    mutating func take(
        _ name: DeviceName, _ state: State, asked: MonotonicTime, _ now: MonotonicTime
    ) -> LaunchEvent? {
        guard let work = works[name], (work.startedAt ?? asked) <= asked else { return nil }
        // A unit that waits for others to start is inactive, and has a job.
        let isSettled = !state.hasJob && !["activating", "deactivating", "reloading"].contains(state.active)
        if !isSettled {
            guard let startedAt = work.startedAt, now.since(startedAt) >= Self.startPatience else { return nil }
            works[name] = nil
            return .failed(
                name, "systemd has not started it within \(Self.startPatience / .seconds(1)) s (it is \(state.active))")
        }
        works[name] = nil
        if state.active == "active" { return .runs(name) }
        if work.startedAt != nil {
            return .failed(name, "its unit is \(state.active): see journalctl TTYNVT_PORT=\(name)")
        }
        return .ended(name, state.active == "inactive" ? .stopped : .other("its unit is \(state.active)"))
    }
}
