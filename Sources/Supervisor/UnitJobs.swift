import SerialLine

/// The units that are being started, by the supervisor or by systemd, and the time of the next check of each. Pure:
/// the time is an argument, states come from outside, and the meaning of a state is returned as an event.
///
/// Signals only hurry a check: the state that systemd reports on request counts. A lost signal costs time, and the
/// result "done" of a job means nothing, because the job may have been a stop.
struct UnitJobs {
    /// A start whose end no signal reports is checked after this time, and then each second, in nanoseconds.
    static let startLimit: UInt64 = .seconds(5)
    /// After this time a start counts as failed, and its place is free for another port, in nanoseconds. systemd
    /// itself allows a unit 20 s (TimeoutStartSec= of ttynvt@.service).
    static let startPatience: UInt64 = .seconds(30)
    static let pause: UInt64 = .seconds(1)
    /// Interval of checking a unit that systemd restarts, in nanoseconds.
    static let restartPause: UInt64 = .milliseconds(200)

    /// A unit's state, as in ListUnitsByNames(as).
    struct State {
        /// ActiveState, such as `activating`.
        var active: String
        /// A job for it is waiting or running.
        var hasJob = false

        init(_ active: String, hasJob: Bool = false) {
            self.active = active
            self.hasJob = hasJob
        }
    }

    private struct Work {
        /// nil if its process has ended, and systemd may restart it.
        var startedAt: MonotonicTime?
        var nextLook: MonotonicTime
    }

    private var works: [DeviceName: Work] = [:]

    /// Starts in progress.
    var starts: [DeviceName] { works.filter { $0.value.startedAt != nil }.map(\.key) }

    /// The supervisor starts a unit.
    mutating func started(_ name: DeviceName, _ now: MonotonicTime) {
        works[name] = Work(startedAt: now, nextLook: now + Self.startLimit)
    }

    /// The request to start a unit has failed.
    /// - Returns: false if no start was in progress.
    mutating func refused(_ name: DeviceName) -> Bool {
        guard works[name]?.startedAt != nil else { return false }
        works[name] = nil
        return true
    }

    /// A unit's process has ended, or seems to. A start in progress continues.
    mutating func ended(_ name: DeviceName, _ now: MonotonicTime) {
        works[name, default: Work(nextLook: now)].nextLook = now
    }

    /// A signal about a unit has arrived: if a result is due, the unit is checked now.
    mutating func hurry(_ name: DeviceName, _ now: MonotonicTime) { works[name]?.nextLook = now }

    /// Signals may be lost: all units are checked.
    mutating func hurryAll(_ now: MonotonicTime) {
        for name in works.keys { works[name]?.nextLook = now }
    }

    /// The units to check now; each is checked again after a pause.
    mutating func takeDue(_ now: MonotonicTime) -> [DeviceName] {
        let due = works.filter { $0.value.nextLook <= now }.map(\.key)
        for name in due {
            let isRestart = works[name]?.startedAt == nil
            works[name]?.nextLook = now + (isRestart ? Self.restartPause : Self.pause)
        }
        return due
    }

    var nextDeadline: MonotonicTime? { works.values.lazy.map(\.nextLook).min() }

    /// Handles a state that systemd has reported.
    /// - Parameter asked: the time of the request: the state says nothing about later starts.
    /// - Returns: its meaning; nil while the unit is changing, or if no result is due.
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
                name,
                "systemd has not started the unit within \(Self.startPatience / .seconds(1)) s (it is \(state.active))")
        }
        works[name] = nil
        if state.active == "active" { return .runs(name) }
        if work.startedAt != nil {
            return .failed(name, "its unit is \(state.active): see journalctl TTYNVT_PORT=\(name)")
        }
        return .ended(name, state.active == "inactive" ? .stopped : .other("its unit is \(state.active)"))
    }
}
