import Glibc
import Platform
import SerialLine
import SystemPackage

/// The one or two ports of one line, and their thread.
///
/// Concurrency model: from `start` on, only the thread uses the ports; other threads put tasks into the monitor and
/// signal the event descriptor.
final class PortGroup: @unchecked Sendable {
    typealias Errand = @Sendable (PortGroup) -> Void

    private struct Control {
        var errands: [Errand] = []
        var isStopping = false
    }

    let ports: [VirtualPort]
    private let control = Monitor(Control())
    private let wake: EventDescriptor
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    init(_ ports: [VirtualPort]) throws(Errno) {
        self.ports = ports
        wake = try EventDescriptor()
    }

    func start() throws(Errno) -> Thread {
        try Thread("simulator \(ports.first?.index ?? 0)") { self.run() }
    }

    /// Makes the thread run a task between two events.
    /// - Returns: false if the thread is ending, and will not run it.
    @discardableResult
    func send(_ errand: @escaping Errand) -> Bool {
        let isTaken = control.withLock { control in
            if !control.isStopping { control.errands.append(errand) }
            return !control.isStopping
        }
        wake.signal()
        return isTaken
    }

    func stop() {
        control.withLock { $0.isStopping = true }
        wake.signal()
    }

    private func run() {
        // Signals are for the process's own threads. With SIGPIPE blocked, a write to a closed pipe fails.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
        var polls = PollSet()
        while !control.withLock({ $0.isStopping }) { turn(&polls) }
        // Another thread may be waiting for a task that is still queued.
        runErrands()
        for port in ports { port.stop() }
    }

    private func turn(_ polls: inout PollSet) {
        polls.removeAll()
        let wakePlace = polls.add(wake.raw, POLLIN)
        var deadline: MonotonicTime?
        for port in ports {
            port.addEvents(to: &polls)
            deadline = earlier(deadline, port.deadline)
        }
        do { try polls.wait(until: deadline) } catch { preconditionFailure("poll: \(error)") }
        let now = MonotonicTime.now
        if polls.events(wakePlace) != 0 {
            wake.clear()
            runErrands()
        }
        for port in ports { port.handle(polls, &buffer, now: now) }
        for port in ports { port.expire(now: now) }
        settle(now)
    }

    /// Moves bytes until none moves any more. A turn is limited: it reads each source once.
    private func settle(_ now: MonotonicTime) {
        var isMoving = true
        while isMoving {
            isMoving = false
            for port in ports where port.transmitToLine(now) { isMoving = true }
            for port in ports where port.receiveArriving(now) { isMoving = true }
            for port in ports where port.sendToClient(now) { isMoving = true }
        }
        for port in ports {
            port.updateListening(now: now)
            port.updateBacklog()
        }
    }

    private func runErrands() {
        let errands = control.withLock { control in
            defer { control.errands.removeAll() }
            return control.errands
        }
        for errand in errands { errand(self) }
    }
}
