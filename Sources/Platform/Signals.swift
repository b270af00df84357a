import Glibc

/// Signals that end the program, received by a thread of their own.
package enum Signals {
    private static var ending: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        return set
    }

    /// Blocks the ending signals in this thread and all threads that it starts. Ignores SIGPIPE: writes fail with
    /// EPIPE instead.
    package static func block() {
        var set = ending
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for one of the ending signals.
    package static func wait() -> Int32 {
        var set = ending
        var signal: Int32 = 0
        sigwait(&set, &signal)
        return signal
    }

    /// Makes SIGUSR1 interrupt a system call of the thread that receives it, without other effect.
    package static func interruptOnUser1() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR1, &action, nil)
    }
}
