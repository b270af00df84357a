import SerialLine

// The one pass that follows every event.
extension VirtualTTY {
    /// Carries out everything that the state allows; called after every event, before its effects are taken. Events
    /// only change state.
    package mutating func progress() {
        repeat {
            stage()
            resumeEchoes()
            serveWrites()
            resumeDiscipline()
            serveReads()
            serveSettings()
            serveModemWaits()
        } while advanceOnce()
        notifyPollers()
        review()
    }

    /// One step, which may enable others.
    /// - Returns: whether there was one.
    private mutating func advanceOnce() -> Bool {
        completeOpening() || progressDrains() || progressClosing() || serveOpens() || leaveIfUnused()
            || connectIfWanted()
    }

    /// Connects, if an open waits for a connection and none is being made.
    private mutating func connectIfWanted() -> Bool {
        guard link == .down, requests.has(.open) else { return false }
        // Earlier failures have been reported already.
        remote.forgetAttempts()
        startConnecting()
        return true
    }
}
