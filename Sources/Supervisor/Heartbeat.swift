import Platform
import SerialLine

/// What systemd is told of the supervisor: that it is ready, how it fares, that it lives.
struct Heartbeat {
    private let notifier = ServiceNotifier()
    private var status = ""
    private(set) var nextDeadline: MonotonicTime?

    mutating func begin(_ now: MonotonicTime) {
        notifier?.tell(["READY=1"])
        nextDeadline = notifier?.watchdogInterval.map { now + $0 }
    }

    /// - Parameter status: a sentence for `systemctl status`; sent where it is another one.
    mutating func beat(_ status: String, _ now: MonotonicTime) {
        if status != self.status { notifier?.tell(status: status) }
        self.status = status
        guard let interval = notifier?.watchdogInterval, let due = nextDeadline, due <= now else { return }
        notifier?.tell(["WATCHDOG=1"])
        nextDeadline = now + interval
    }

    func end() { notifier?.tell(["STOPPING=1"]) }
}
