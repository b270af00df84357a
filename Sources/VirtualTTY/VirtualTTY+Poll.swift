import LineDiscipline
import SerialLine
import SystemPackage

// poll(2), select(2), epoll (n_tty_poll).
extension VirtualTTY {
    /// <asm-generic/poll.h>.
    static let POLLIN: UInt32 = 0x1
    static let POLLOUT: UInt32 = 0x4
    static let POLLERR: UInt32 = 0x8
    static let POLLHUP: UInt32 = 0x10
    static let POLLRDNORM: UInt32 = 0x40
    static let POLLWRNORM: UInt32 = 0x100
    /// Output counts as writable below this (WAKEUP_CHARS).
    static let wakeupCount = 256

    /// The kernel asks for the events of a file that are ready.
    /// - Parameters:
    ///   - events: the events that the caller waits for.
    ///   - notifies: a poller is waiting: `notifyPoll` follows once one of the events is ready.
    package mutating func poll(
        _ id: RequestID, _ file: FileID, events: UInt32, notifies: Bool
    ) {
        beginEvent()
        let reply = Reply(id)
        guard let open = files[file] else { return fail(reply, .badFileDescriptor) }
        let ready = readiness(open)
        if notifies {
            files.update(file) {
                // Another poller of the same file may wait for other events.
                $0.pollEvents = ($0.pollArmed ? $0.pollEvents : 0) | events | Self.POLLERR | Self.POLLHUP
                $0.pollArmed = true
            }
        }
        answer(reply, .poll(ready))
    }

    private func readiness(_ file: OpenFile) -> UInt32 {
        if file.isDead {
            return Self.POLLIN | Self.POLLOUT | Self.POLLERR | Self.POLLHUP | Self.POLLRDNORM | Self.POLLWRNORM
        }
        // The kernel's network disciplines are never ready (tty_poll, ppp_asynctty_poll).
        if lent.isLent { return 0 }
        var ready: UInt32 = 0
        if discipline.isReadable { ready |= Self.POLLIN | Self.POLLRDNORM }
        if transmission.untransmitted < Self.wakeupCount && !requests.has(.write) {
            ready |= Self.POLLOUT | Self.POLLWRNORM
        }
        return ready
    }

    /// Notifies the files whose pollers wait for an event that is ready.
    mutating func notifyPollers() {
        for index in files.list.indices {
            let file = files.list[index]
            guard file.pollArmed && readiness(file) & file.pollEvents != 0 else { continue }
            files.update(file.id) { $0.pollArmed = false }
            effects.list.append(.notifyPoll(file.id))
        }
    }
}
