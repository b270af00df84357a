import RFC2217
import SerialLine
import SystemPackage

// Deadlines: events caused by the passing of time.
extension VirtualTTY {
    /// When `advance` must be called next; nil if there is no deadline.
    package mutating func nextDeadline() -> MonotonicTime? {
        var earliest = sooner(remote.nextDeadline(isHeld: isHeld), windowDeadline())
        earliest = sooner(earliest, reception.purge?.deadline)
        if closing != nil {
            earliest = sooner(earliest, closing?.reopenAt ?? (lent.discardsRest ? nil : closing?.deadline))
        }
        if requests.isEmpty && closing == nil { return earliest }
        earliest = sooner(earliest, drainDeadline())
        earliest = sooner(earliest, openDeadline())
        earliest = sooner(earliest, requests.first(ParkedRead.self)?.request.deadline)
        earliest = sooner(earliest, requests.first(TimedBreak.self)?.request.until)
        for setting in requests.all(ParkedSetting.self) { earliest = sooner(earliest, setting.request.deadline) }
        return earliest
    }

    /// Time has passed.
    package mutating func advance() {
        beginEvent()
        if remote.takesCommands { giveUpAnswers() }
        askAgain()
        noteWait()
        if let purge = reception.purge, purge.deadline <= now { reception.purge = nil }
        for timedBreak in requests.all(TimedBreak.self) where timedBreak.request.until <= now {
            let reply = endTimedBreak(timedBreak.id)
            answerIoctl(reply)
        }
        expireOpens()
        expireLink()
    }

    private mutating func expireOpens() {
        let now = now
        let late = requests.all(ParkedOpen.self).filter { open in
            if case .link(let deadline) = open.request.wait { deadline <= now } else { false }
        }
        guard !late.isEmpty else { return }
        // The time of a server whose options are being negotiated is over as well.
        if case .opening = link { return openingTimedOut() }
        for open in late { fail(requests.take(open.id), .timedOut) }
        fault(.error, "no connection within \(configuration.connectTimeout / .milliseconds(1)) ms")
    }

    private mutating func expireLink() {
        if let until = remote.lossDeadline, until <= now, isHeld {
            remote.lossDeadline = nil
            hangUp("no connection for \((configuration.lossTimeout ?? 0) / .seconds(1)) s")
        }
        if let until = remote.lingerUntil, until <= now {
            remote.lingerUntil = nil
            if liveFiles == 0 && !requests.has(.open) && closing == nil && remote.isUp { endConnection(graceful: true) }
        }
        switch link {
        case .lost(let retryAt) where retryAt <= now: startConnecting()
        case .connecting where remote.isStepOver(now): attemptTimedOut()
        case .opening(_, let deadline) where deadline <= now: openingTimedOut()
        default: break
        }
        lookAtPeer()
    }

    /// The time for the server's agreement is over. A server that speaks RFC 2217 and leaves settings unanswered is
    /// accepted by `completeOpening`.
    private mutating func openingTimedOut() {
        if remote.client.isActive {
            remote.opening(required: [], deadline: now)
        } else {
            refused("no answer to COM-PORT-OPTION")
        }
    }

    private mutating func attemptTimedOut() {
        guard remote.stepTimedOut() else { return }
        if !remote.tryNext(configuration.connectTimeout, now: now) { passFailed() }
    }

    /// Checks whether the peer is alive, while it has bytes to acknowledge.
    private mutating func lookAtPeer() {
        guard remote.takesCommands, let look = remote.liveness.nextLook, look <= now else { return }
        let isDead = remote.liveness.look(socket.lifeSigns(), now: now)
        if isDead {
            loseConnection("no acknowledgement from the server for \(configuration.deadAfter / .seconds(1)) s")
        }
    }
}
