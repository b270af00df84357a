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
        for open in opens { consider(open.deadline) }
        for setting in settings { consider(setting.deadline) }
        if let read = reads.first { consider(read.deadline) }
        consider(timedBreak?.until)
        consider(purge?.deadline)
        consider(lingerUntil)
        if closing == nil && drains.isEmpty { return earliest }
        reckonLineTime()
        if !lent.discardsRest { consider(closing?.deadline) }
        // Once the line is free, it is an answer that tells.
        if closing != nil && untransmitted == 0 && lineFreeAt > now { consider(lineFreeAt) }
        if !drains.isEmpty && untransmitted == 0 && timedBreak == nil { consider(drainDeadline()) }
        return earliest
    }

    /// When the drains are to be looked at again; nil where an answer will tell.
    private mutating func drainDeadline() -> MonotonicTime? {
        if lineFreeAt > now { return lineFreeAt }
        return wantsUnacknowledged ? now + Self.socketPoll : nil
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
    private var patienceEnd: MonotonicTime? { liveFiles > 0 ? lossDeadline : nil }

    /// Time has passed.
    /// - Parameter unacknowledged: bytes the peer's socket has not acknowledged yet; asked for by
    ///   `wantsUnacknowledged`.
    package mutating func advance(unacknowledged: Int = 0) {
        beginEvent()
        self.unacknowledged = unacknowledged
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
            if case .rs485 = setting.kind { settleRS485(setting, nil) } else { answerIoctl(setting.id) }
        }
    }

    private mutating func expireOpens() {
        let now = now
        guard opens.contains(where: { $0.deadline <= now }) else { return }
        if case .opening = link { return openingTimedOut() }
        let late = opens.filter { $0.deadline <= now }
        opens.removeAll { $0.deadline <= now }
        for open in late { fail(open.id, .timedOut) }
        fault(.error, "no connection within \(configuration.connectTimeout / .milliseconds(1)) ms")
        if opens.isEmpty && liveFiles == 0 && configuration.connect == .open { abandonConnection() }
    }

    private mutating func expireLink() {
        if let until = patienceEnd, until <= now {
            lossDeadline = nil
            hangUp("no connection for \((configuration.lossTimeout ?? 0) / .seconds(1)) s")
            if configuration.connect == .open && opens.isEmpty { abandonConnection() }
        }
        switch link {
        case .lost(let retryAt) where retryAt <= now: startConnecting()
        case .opening(_, let deadline) where deadline <= now: openingTimedOut()
        default: break
        }
    }
}
