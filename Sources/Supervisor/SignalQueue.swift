import Glibc
import Platform
import SystemPackage

/// Signals that end or reload the program, for a poll loop.
final class SignalQueue: Sendable {
    private let waiting = Monitor<[Int32]>([])
    private let event: EventDescriptor

    init() {
        guard let event = try? EventDescriptor() else { preconditionFailure("no event descriptor") }
        self.event = event
    }

    /// Readable while a signal is queued.
    var descriptor: Int32 { event.raw }

    /// Starts receiving signals. The calling thread must have blocked them before it started other threads.
    func start() throws(Errno) {
        _ = try Thread("signals") { [self] in
            while true {
                let signal = Signals.wait()
                waiting.withLock { $0.append(signal) }
                event.signal()
            }
        }
    }

    /// The next signal; 0 without one.
    func take() -> Int32 {
        event.clear()
        return waiting.withLock { signals in
            let signal = signals.isEmpty ? 0 : signals.removeFirst()
            if !signals.isEmpty { event.signal() }
            return signal
        }
    }
}
