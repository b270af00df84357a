import RFC2217
import SerialLine
import SystemPackage

// Deadlines: everything that happens because time has passed.
extension VirtualTTY {
    /// When `advance` is to be called next; nil for no time.
    package var nextDeadline: MonotonicTime? {
        var earliest: MonotonicTime?
        func consider(_ time: MonotonicTime?) {
            guard let time else { return }
            earliest = earliest.map { min($0, time) } ?? time
        }
        for open in opens { consider(open.deadline) }
        consider(reads.first?.deadline)
        for setting in settings { consider(setting.deadline) }
        consider(timedBreak?.until)
        consider(purge?.deadline)
        consider(lingerUntil)
        if let closing {
            consider(closing.deadline)
            if untransmitted == 0 { consider(lineFreeAt) }
        }
        if !drains.isEmpty && untransmitted == 0 && timedBreak == nil { consider(drainDeadline) }
        considerLink(&earliest)
        return earliest
    }

    /// When the drains are to be looked at again; nil where an answer will tell.
    private var drainDeadline: MonotonicTime? {
        if lineFreeAt > now { return lineFreeAt }
        return wantsUnacknowledged ? now + Self.socketPoll : nil
    }

    private func considerLink(_ earliest: inout MonotonicTime?) {
        var times: [MonotonicTime?] = []
        switch link {
        case .opening(_, let deadline): times = [deadline, client.nextDeadline]
        case .up: times = [client.nextDeadline]
        case .lost(let retryAt, let until): times = [retryAt, until]
        case .disconnecting, .connecting: times = [liveFiles > 0 ? lossDeadline : nil]
        case .down: return
        }
        for time in times.compactMap(\.self) { earliest = earliest.map { min($0, time) } ?? time }
    }

    /// Time has passed.
    /// - Parameter unacknowledged: bytes the peer's socket has not acknowledged yet; asked for by
    ///   `wantsUnacknowledged`.
    package mutating func advance(unacknowledged: Int = 0, now: MonotonicTime) {
        self.now = now
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
        guard opens.contains(where: { $0.deadline <= now }) else { return }
        if case .opening = link { return openingTimedOut() }
        for open in opens where open.deadline <= now { fail(open.id, .timedOut) }
        opens.removeAll { $0.deadline <= now }
        log(.error, "no connection within \(configuration.connectTimeout / .milliseconds(1)) ms")
        if opens.isEmpty && liveFiles == 0 && configuration.connect == .open { abandonConnection() }
    }

    private mutating func expireLink() {
        if let until = lossDeadline, until <= now, liveFiles > 0, link != .up {
            lossDeadline = nil
            hangUp("no connection for \((configuration.lossTimeout ?? 0) / .seconds(1)) s")
            if configuration.connect == .open && opens.isEmpty { abandonConnection() }
        }
        switch link {
        case .lost(let retryAt, _) where retryAt <= now: startConnecting()
        case .opening(_, let deadline) where deadline <= now: openingTimedOut()
        default: break
        }
    }
}
