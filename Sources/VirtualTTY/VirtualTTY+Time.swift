import RFC2217
import SerialLine
import SystemPackage

// Deadlines: everything that happens because time has passed.
extension VirtualTTY {
    /// When `advance` is to be called next; nil for no time.
    package mutating func nextDeadline() -> MonotonicTime? {
        var earliest = linkDeadline
        func consider(_ time: MonotonicTime?) {
            guard let time else { return }
            earliest = earliest.map { min($0, time) } ?? time
        }
        for open in opens { consider(deadline(of: open)) }
        for setting in settings { consider(setting.deadline) }
        if let read = reads.first { consider(read.deadline) }
        consider(timedBreak?.until)
        consider(purge?.deadline)
        consider(lingerUntil)
        if closing == nil && drains.isEmpty { return earliest }
        reckonLineTime()
        if let reopenAt = closing?.reopenAt {
            consider(reopenAt)
        } else if !lent.discardsRest {
            consider(closing?.deadline)
        }
        let drains = closing?.reopenAt == nil && closing != nil || !drains.isEmpty && timedBreak == nil
        if drains && untransmitted == 0 { consider(drainDeadline()) }
        return earliest
    }

    /// When drains and a close are to be looked at again; nil where an answer will tell.
    private mutating func drainDeadline() -> MonotonicTime? {
        if lineFreeAt > now { return lineFreeAt }
        return awaitsAcknowledgement ? now + Self.socketPoll : nil
    }

    private var linkDeadline: MonotonicTime? {
        func earlier(_ a: MonotonicTime?, _ b: MonotonicTime?) -> MonotonicTime? {
            guard let a, let b else { return a ?? b }
            return min(a, b)
        }
        switch link {
        case .opening(_, let deadline): return earlier(earlier(deadline, client.nextDeadline), patienceEnd)
        case .up: return client.nextDeadline
        case .lost(let retryAt): return earlier(retryAt, patienceEnd)
        case .disconnecting, .connecting: return patienceEnd
        case .down: return nil
        }
    }

    /// When files that wait for a lost connection are hung up.
    private var patienceEnd: MonotonicTime? { isHeld ? lossDeadline : nil }

    /// Time has passed.
    package mutating func advance() {
        beginEvent()
        expireAnswers()
        expireOpens()
        if let purge, purge.deadline <= now { self.purge = nil }
        if let until = timedBreak?.until, until <= now, let id = timedBreak?.id {
            endTimedBreak()
            answerIoctl(id)
        }
        if let until = lingerUntil, until <= now {
            lingerUntil = nil
            if liveFiles == 0 && opens.isEmpty && link == .up { disconnect(graceful: true) }
        }
        expireLink()
        stage()
        serveWrites()
        serveReads()
        progressDrains()
        progressClosing()
        notifyPollers()
    }

    private mutating func expireAnswers() {
        switch link {
        case .opening, .up: giveUp(client.expire(now))
        case .down, .connecting, .lost, .disconnecting: break
        }
        for index in settings.indices.reversed() where settings[index].deadline <= now {
            let setting = settings.remove(at: index)
            switch setting.kind {
            case .termios: answerIoctl(setting.id)
            case .rs485: rs485TimedOut(setting)
            }
        }
    }

    private mutating func expireLink() {
        if let until = patienceEnd, until <= now {
            lossDeadline = nil
            hangUp("no connection for \((configuration.lossTimeout ?? 0) / .seconds(1)) s")
            vacateIfUnused()
        }
        switch link {
        case .lost(let retryAt) where retryAt <= now: startConnecting()
        case .opening(_, let deadline) where deadline <= now: openingTimedOut()
        default: break
        }
    }
}
