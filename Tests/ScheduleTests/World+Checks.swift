import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import VirtualTTY

// What must hold: after each step, when all is quiet, and at the end.
extension World {
    func check() {
        if transmit.attempt != nil && connection != nil { fail("two connections at a time") }
        let owed = threads.reduce(0) { sum, thread in
            sum
                + thread.steps.count { step in
                    guard case .effect(let index) = step, case .answer = thread.handout.effects.list[index] else {
                        return false
                    }
                    return true
                }
        }
        if engine.tty.parkedCount + owed != waiting.count {
            fail("\(engine.tty.parkedCount) parked and \(owed) answers under way for \(waiting.count) requests")
        }
    }

    /// Nothing is parked that could be answered: a second pass finds nothing to do.
    func checkFixpoint() {
        guard lastID % 4 == 0 else { return }
        var copy = engine.tty
        copy.progress()
        if !copy.effects.isEmpty { fail("a second pass finds more to do: \(copy.effects.list)") }
        if let command = copy.takeCommand() { fail("a second pass finds another command: \(command)") }
    }

    /// In an exact schedule, in which no request waits for a close or for carrier, opens and settings end in their
    /// time.
    func checkBound(_ request: Request, _ answer: Answer) {
        guard isExact else { return }
        let waited = clock.now.since(request.since)
        switch request.kind {
        case .open:
            if waited > .milliseconds(2100) { fail("an open took \(waited / .milliseconds(1)) ms") }
            if case .error(let error) = answer, error != .interrupted, isUntroubled,
                lastTrouble + .seconds(6) < request.since
            {
                fail("an open failed though nothing was wrong: \(error)")
            }
        case .ioctl(.TCSETS) where waited > .milliseconds(1100): fail("TCSETS took \(waited / .milliseconds(1)) ms")
        default: break
        }
    }

    /// The data bytes that sockets have taken.
    private var allSent: [UInt8] { sentData + (connection?.sentData ?? []) }

    /// A program opens the port after its output was given up. Bytes that a thread is sending may still go.
    func beginUse() {
        checkUse()
        guard !threads.contains(where: { $0.steps.contains { if case .send = $0 { true } else { false } } }) else {
            return
        }
        hasGivenUp = false
        useBegan = (written.count, allSent.count)
    }

    /// Sockets take what was written in this use of the port, and nothing that an earlier one gave up.
    func checkUse() {
        let sent = Array(allSent[useBegan.sent...])
        if !sent.isPart(of: Array(written[useBegan.written...])) {
            fail("sockets took bytes that were not written since the port was opened, or not in that order")
        }
    }

    /// A close that nothing was in the way of loses nothing.
    func checkLog(_ text: String) {
        let isPatient = clock.now.since(lastTrouble) > .seconds(35)
        if text.hasPrefix("closed with"), isUntroubled, isPatient, !engine.tty.isOutputStopped {
            fail("nothing was wrong: \(text)")
        }
    }

    func finish() {
        guard failure == nil else { return }
        note("the end begins")
        network = .accepts
        lastTrouble = clock.now
        connection?.isStalled = false
        // A server that serves another client, or was reset, is left.
        settle()
        resume()
        advance(.seconds(60))
        checkQuiet()
        emptyReads()
        closeAll()
        advance(.seconds(300))
        checkEnd()
    }

    /// The far end lets output go on.
    private func resume() {
        serverResumes()
        settle()
        advance(.seconds(20))
        serverResumes()
        settle()
    }

    private func serverResumes() {
        connection?.isStalled = false
        outputIsSuspended = false
        if connection?.serverHasEnded == false { connection?.serverSends(server.command(.flowControlResume)) }
        // Opens that wait for carrier go on.
        _ = server.setInputs([.cts, .dcd], now: clock.now)
        if connection?.serverHasEnded == false {
            connection?.serverSends(server.command(.notifyModemState([.dcd, .cts])))
        }
    }

    /// The programs do nothing more, and everything has had time to come to rest.
    private func checkQuiet() {
        guard failure == nil else { return }
        for (id, request) in waiting {
            switch request.kind {
            case .read: break
            case .write where !isExact, .ioctl where !isExact: break
            case .open, .write, .ioctl, .poll, .release:
                fail("request \(id.rawValue), \(request.kind), waits though all is quiet: \(engine.tty.link)")
            }
        }
        if let cutAt = connection?.cutAt, clock.now.since(cutAt) > .seconds(6) { fail("a dead peer is not noticed") }
        if isExact && engine.tty.link != .up { fail("the connection is not made again: \(engine.tty.link)") }
        guard !files.isEmpty, engine.tty.link == .up, let connection, !connection.isCut else { return }
        checkServer()
        if isExact { checkBytes() }
    }

    /// The server has what the programs set.
    private func checkServer() {
        let profile = server.profile
        guard profile.unanswered.isEmpty, profile.answersFailures, !profile.hasPlainFramesOnly else { return }
        let wanted = engine.tty.lineSettings
        if server.line.settings != wanted { fail("the server has \(server.line.settings), wanted is \(wanted)") }
        let commanded = engine.tty.commandedLines
        if server.line.outputs.intersection(commanded) != engine.tty.state.outputs.intersection(commanded) {
            fail("the server drives \(server.line.outputs), commanded is \(engine.tty.state.outputs) of \(commanded)")
        }
    }

    /// Every byte accepted was taken by some socket, in order and once; all but the lost ones reached the line, and the
    /// lost ones were counted.
    private func checkBytes() {
        let sent = sentData + (connection?.sentData ?? [])
        if sent != written { fail("sockets took \(sent.count) bytes of \(written.count) written, or others") }
        let lost = takenByLost - heardFromLost
        let heardNow = server.heard.count - heardBefore
        if heardNow != connection?.sentData.count { fail("the line heard \(heardNow) bytes of this connection's") }
        let counted = Int(engine.tty.state.lostBytes)
        if counted < lost { fail("\(lost) bytes were lost, \(counted) counted") }
        if counted > takenByLost { fail("\(counted) bytes counted as lost of \(takenByLost) taken") }
    }

    private func emptyReads() {
        // Programs that wait for input are killed.
        for id in waiting.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
            interrupt(id)
            settle()
        }
    }

    private func closeAll() {
        var rounds = 0
        while failure == nil, let file = files.first, rounds < 100 {
            rounds += 1
            close(file)
            settle()
            advance(.seconds(40))
        }
    }

    /// After close and quiet, nothing is left.
    private func checkEnd() {
        guard failure == nil else { return }
        if !waiting.isEmpty { fail("\(waiting.count) requests wait for ever: \(waiting.values.map(\.kind))") }
        if !files.isEmpty { fail("files stay open") }
        checkUse()
        let rest: Link = engine.tty.holdsAlways ? .up : .down
        if engine.tty.link != rest { fail("the end finds the link \(engine.tty.link)") }
        if (connection != nil) != (rest == .up) { fail("a connection is left, or missing") }
        if engine.tty.hasUnsent { fail("bytes are left") }
        if let deadline = transmit.deadline, deadline <= clock.now { fail("a deadline in the past") }
        if !readBytes.isPart(of: lineSent) {
            fail("bytes were read that the line did not receive, or in another order")
        }
    }
}
