import Glibc
import SerialLine

/// A lock around its state, on which threads can sleep: pthread_mutex_t and pthread_cond_t, which every sanitizer
/// understands.
///
/// Concurrency model: `state` is touched only between lock and unlock; while a thread sleeps in `wait`, no access to
/// the state is open.
package final class Monitor<State>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    // The mutex serializes all accesses, so the run-time check is redundant.
    @exclusivity(unchecked) private var state: State

    package init(_ state: State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` alone with the state.
    package func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Sleeps until `ready` is true of the state, or `deadline` has passed. `ready` is asked under the lock, first at
    /// once and then after each `wakeAll`.
    /// - Returns: what `ready` said last.
    @discardableResult
    package func wait(until deadline: MonotonicTime? = nil, _ ready: (inout State) -> Bool) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !ready(&state) {
            guard let deadline else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            var time = deadline.timespec
            if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return ready(&state) }
        }
        return true
    }

    /// Lets every sleeping thread look at the state again.
    package func wakeAll() { pthread_cond_broadcast(condition) }
}
