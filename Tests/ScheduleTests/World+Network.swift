import RFC2217
import SerialLine
import SystemPackage
import VirtualTTY

extension World {
    /// What the kernel would say of the socket now.
    func askSocket() {
        guard let connection else {
            socketQuestions.unacknowledged = 0
            return socketQuestions.lifeSigns = .quiet
        }
        let silence = clock.now.since(connection.lastAcknowledgement)
        let isShut = connection.isWindowShut
        socketQuestions.unacknowledged = connection.unacknowledged
        socketQuestions.lifeSigns = LifeSigns(
            hasPending: connection.unacknowledged > 0, hasUnacknowledged: connection.unacknowledged > 0 && !isShut,
            sinceAcknowledgement: connection.isCut || !isShut ? silence : 0,
            acknowledged: connection.lastAcknowledgement.nanoseconds,
            unansweredProbes: connection.isCut && isShut ? Int(silence / .seconds(1)) : 0)
    }

    /// The socket takes what it has room for.
    func send(_ bytes: [UInt8], _ number: Int) -> Int {
        guard var connection, connection.number == number, !transmit.isClosing, !transmit.isBlocked else { return 0 }
        let count = min(bytes.count, connection.room)
        connection.send(bytes[..<count])
        self.connection = connection
        if count < bytes.count { transmit.isBlocked = true }
        return count
    }

    // Connecting.

    var attemptDue: MonotonicTime? {
        transmit.attempt == nil || attemptIsSilent ? nil : attemptStarted + .milliseconds(2)
    }

    /// - Returns: has the attempt ended?
    func finishAttempt(_ number: Int) -> Bool {
        guard !attemptIsSilent, attemptStarted + .milliseconds(2) <= clock.now else { return false }
        transmit.attempt = nil
        let network = fate(of: attemptedServer)
        if network == .refuses {
            event(.transmit, "connection \(number) refused") { $0.tty.connectFailed(number, .connectionRefused) }
            return true
        }
        var connection = ModelConnection(number, now: clock.now)
        connection.capacity = tape.pick([100_000, 300, 4096])
        if network == .busy {
            connection.serverSends(Array("Port already in use\r\n".utf8))
            connection.serverHasEnded = true
        } else {
            connection.serverSends(server.accept(now: clock.now))
        }
        self.connection = connection
        transmit.isBlocked = false
        transmit.isClosing = false
        transmit.isReceiving = true
        receiverIsPaused = false
        heardBefore = server.heard.count
        event(.transmit, "connected as \(number)") { $0.tty.connected(number, to: "server") }
        return true
    }

    /// The port's end is closed: the account of this connection is made up.
    func endConnection() {
        guard let connection else { return }
        sentData += connection.sentData
        let heard = server.heard[heardBefore...]
        if !connection.sentData.starts(with: heard) {
            fail("the line heard what this connection did not send, or twice")
        }
        takenByLost += connection.sentData.count
        heardFromLost += heard.count
        server.end()
        self.connection = nil
        transmit.isClosing = false
    }

    /// What becomes of a connection to this server.
    func fate(of server: Endpoint?) -> Network {
        guard network == .firstFails else { return network }
        return server == engine.tty.servers.first && engine.tty.servers.count > 1 ? firstFailure : .accepts
    }

    // Bytes.

    func moveSomeBytes() {
        let count = tape.pick([1, 2, 7, 100, 10_000])
        switch tape.below(4) {
        case 0: connection?.carryOut(count, now: clock.now)
        case 1: connection?.carryIn(count)
        case 2: serverWorks(count)
        default: _ = answerLookup()
        }
    }

    /// - Returns: was there anything to move?
    func moveAllBytes() -> Bool {
        if answerLookup() { return true }
        guard let before = connection else { return false }
        connection?.carryOut(.max / 2, now: clock.now)
        connection?.carryIn(.max / 2)
        serverWorks(.max / 2)
        guard let after = connection else { return true }
        return before.outbound.count != after.outbound.count || before.atPort.count != after.atPort.count
            || before.atServer.count != after.atServer.count || before.serverHasEnded != after.serverHasEnded
    }

    private func serverWorks(_ count: Int) {
        guard let connection, !connection.isStalled, !connection.isReset, !connection.serverHasEnded else { return }
        if connection.atServer.isEmpty {
            // The end of the port's side comes behind all of its bytes.
            if connection.portHasShutDown && connection.outbound.isEmpty && !connection.isCut { serverEnds() }
            return
        }
        let bytes = self.connection?.serverReads(min(count, connection.atServer.count)) ?? []
        let said = server.receive(bytes, now: clock.now)
        self.connection?.serverSends(said.output)
        if said.ends { serverEnds() }
    }

    private func serverEnds() {
        connection?.serverHasEnded = true
        server.end()
    }

    /// - Returns: was there one to answer?
    private func answerLookup() -> Bool {
        // The resolver has a thread of its own; its answer comes when the thread that tells it is idle.
        guard threads[ThreadName.control.rawValue].isIdle else { return false }
        let answered = lookups.firstIndex { fate(of: $0.server) != .silent }
        guard let answered else { return false }
        let (number, name) = lookups.remove(at: answered)
        attemptedServer = name
        let result: Result<[ServerAddress], LookupFailure> =
            network == .refuses && tape.chance(1, in: 4)
            ? .failure(LookupFailure("no such name"))
            : .success([ServerAddress(bytes: [], description: "\(name)")])
        event(.control, "looked up \(name)") { $0.tty.lookedUp(number, name, result) }
        return true
    }

    /// The kernel's keepalive finds a dead peer of an idle connection.
    var keepaliveDue: MonotonicTime? {
        guard let connection, connection.isCut, !connection.isReset, let cutAt = connection.cutAt else { return nil }
        // It does not run while bytes are pending: then the port has to look itself.
        return connection.unacknowledged > 0 ? nil : cutAt + .seconds(5)
    }

    func keepAlive() {
        if let due = keepaliveDue, due <= clock.now {
            note("keepalive finds the peer dead")
            connection?.reset()
        }
    }

    // Faults.

    /// Network and server have been as they should be since then, and are so now.
    var isUntroubled: Bool {
        (network == .accepts || (network == .firstFails && engine.tty.servers.count > 1)) && connection?.isCut != true
            && connection?.isStalled != true
            && connection?.isWindowShut != true && !outputIsSuspended
    }

    func disturb() {
        lastTrouble = clock.now
        switch tape.below(14) {
        case 0, 1:
            network = tape.pick([.accepts, .accepts, .firstFails, .refuses, .silent, .busy])
            firstFailure = tape.pick([.busy, .refuses, .silent])
            note("network: \(network) \(firstFailure)")
        case 2:
            note("reset")
            connection?.reset()
            server.end()
        case 3:
            note("the server closes")
            if connection?.isCut == false { serverEnds() }
        case 4 where connection?.isCut == false:
            note("the cable is cut")
            connection?.isCut = true
            connection?.cutAt = clock.now
        case 5: connection?.isStalled.toggle()
        case 6, 7: sendFromLine(tape.pick([1, 3, 500, 6000]))
        case 8:
            let lines = tape.pick([[], [.dcd], [.cts, .dcd], [.cts]] as [ModemLines])
            serverSends(server.setInputs(lines, now: clock.now))
        case 9:
            outputIsSuspended = tape.below(2) == 1
            serverSends(server.command(outputIsSuspended ? .flowControlSuspend : .flowControlResume))
        case 10:
            // The answer to another client of the server. One that this port may wait for cannot be told from its own.
            let foreign: [ControlValue] = isExact ? [] : [.dtrOn, .breakOff]
            serverSends(server.command(.setControl(tape.pick([ControlValue(rawValue: 20)] + foreign))))
        case 11 where threads[ThreadName.control.rawValue].isIdle: retireOrMove()
        default: network = .accepts
        }
    }

    private func retireOrMove() {
        let servers = tape.pick([
            [Endpoint(host: "a", port: 1)], [Endpoint(host: "c", port: 3), Endpoint(host: "a", port: 1)],
        ])
        event(.control, "other servers") { $0.tty.setServers(servers) }
    }

    private func serverSends(_ bytes: [UInt8]) {
        if connection?.isStalled == false { connection?.serverSends(bytes) }
    }

    private func sendFromLine(_ count: Int) {
        guard connection?.serverHasEnded == false, connection?.isReset == false, connection?.isStalled == false else {
            return
        }
        let data = freshBytes(count)
        let encoded = server.send(data)
        if !encoded.isEmpty { lineSent += data }
        serverSends(encoded)
    }

    /// Bytes of which no two runs are alike, with 0xFF among them.
    func freshBytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in
            nextByte &+= 1
            return nextByte % 5 == 0 ? 0xFF : UInt8(truncatingIfNeeded: nextByte &* 2_654_435_761 >> 13)
        }
    }
}
