import SerialLine

// The one pass that follows every event.
extension VirtualTTY {
    /// Does everything that the state allows now: called after every event, before its effects are taken. Events change
    /// state and leave the rest to this pass.
    package mutating func progress() {
        repeat {
            stage()
            goOnWithEchoes()
            serveWrites()
            resumeDiscipline()
            serveReads()
            serveSettings()
            serveModemWaits()
        } while goOn()
        notifyPollers()
        review()
    }

    /// One step that may let others go on.
    /// - Returns: was there one?
    private mutating func goOn() -> Bool {
        completeOpening() || progressDrains() || progressClosing() || serveOpens() || leaveIfUnused()
            || connectIfWanted()
    }

    /// An open waits for a connection, and none is being made.
    private mutating func connectIfWanted() -> Bool {
        guard link == .down, requests.has(.open) else { return false }
        // What failed before was said then.
        remote.forgetAttempts()
        startConnecting()
        return true
    }
}
