import Platform
import SerialLine

/// Sends the supervisor's messages to systemd: readiness, status, watchdog.
struct Heartbeat {
    private let notifier = ServiceNotifier()
    private var status = ""
    private(set) var nextDeadline: MonotonicTime?

    mutating func begin(_ now: MonotonicTime) {
        notifier?.tell(["READY=1"])
        nextDeadline = notifier?.watchdogInterval.map { now + $0 }
    }

    /// - Parameter status: a sentence for `systemctl status`; sent if it has changed.
    mutating func beat(_ status: String, _ now: MonotonicTime) {
        if status != self.status { notifier?.tell(status: status) }
        self.status = status
        guard let interval = notifier?.watchdogInterval, let due = nextDeadline, due <= now else { return }
        notifier?.tell(["WATCHDOG=1"])
        nextDeadline = now + interval
    }

    func end() { notifier?.tell(["STOPPING=1"]) }
}
