import RFC2217
import SerialLine
import SystemPackage
import VirtualTTY

/// The threads that use a port.
enum ThreadName: Int, CaseIterable {
    case cuse
    case transmit
    case receive
    case control
}

/// What one thread has still to carry out after its last event.
struct ModelThread {
    enum Step {
        case send
        case effect(Int)
        case wakeReceiver
        case returnUnsent
    }

    var handout = PortEngine.Handout()
    var steps: [Step] = []
    /// Bytes the socket took in `send`.
    var sent = 0
    /// The receive thread tells of the end of this connection.
    var endsReceiving = false

    var isIdle: Bool { steps.isEmpty }
}

/// The transmit thread's own state, as `RemotePort` has it.
struct TransmitThread {
    var command: RemoteCommand?
    var deadline: MonotonicTime?
    /// The socket is full.
    var isBlocked = false
    /// A connection that is being made.
    var attempt: Int?
    var phase = Phase.waits
    /// The connection is being left: nothing more is sent on it.
    var isClosing = false
    var isReceiving = false

    enum Phase: Equatable {
        case waits
        /// Sends the rest, until then.
        case farewell(Int, until: MonotonicTime)
        /// Waits for the server to close its end.
        case serverCloses(Int, until: MonotonicTime)
        /// Waits for the receive thread to leave the socket.
        case leaves(Int)
    }

    var limit: MonotonicTime? {
        switch phase {
        case .farewell(_, let until), .serverCloses(_, let until): until
        case .waits, .leaves: nil
        }
    }
}

extension World {
    /// A thread passes an event to the port. The effects are carried out step by step.
    func event(_ name: ThreadName, _ what: String, _ body: (inout PortEngine) -> Void) {
        note("\(name): \(what)")
        askSocket()
        body(&engine)
        collectWork(name)
    }

    private func collectWork(_ name: ThreadName) {
        var thread = threads[name.rawValue]
        engine.collectWork(&thread.handout)
        // Under the lock.
        if let command = thread.handout.command {
            note("  command \(command)")
            transmit.command = command
        }
        if thread.handout.deadlineChanged { transmit.deadline = thread.handout.deadline }
        accountFor(thread.handout.effects)
        if thread.handout.hasUnsent { thread.steps.append(.send) }
        if thread.handout.hasEffects {
            for index in thread.handout.effects.list.indices { thread.steps.append(.effect(index)) }
        }
        if thread.handout.wakesReceiver { thread.steps.append(.wakeReceiver) }
        if thread.handout.hasUnsent { thread.steps.append(.returnUnsent) }
        threads[name.rawValue] = thread
        checkFixpoint()
    }

    /// Writes and reads are in the order in which the port made their answers, whatever threads carry these.
    private func accountFor(_ effects: borrowing Effects) {
        for effect in effects.list {
            if case .log(_, let text) = effect, text.contains("bytes unsent") { hasGivenUp = true }
            guard case .answer(let id, let answer) = effect else { continue }
            if case .written(let count) = answer, case .write(let bytes)? = waiting[id]?.kind {
                written += bytes.prefix(count)
            }
            if case .data(let range) = answer { readBytes += effects.bytes[range] }
            if case .opened = answer, hasGivenUp { beginUse() }
        }
    }

    /// Carries out one step of a thread's.
    private func carryOut(_ name: ThreadName) {
        let step = threads[name.rawValue].steps.removeFirst()
        switch step {
        case .send:
            let out = threads[name.rawValue].handout
            threads[name.rawValue].sent = send(out.unsent, out.connection)
            note("\(name): sent \(threads[name.rawValue].sent) of \(out.unsent.count) on \(out.connection)")
        case .effect(let index):
            let effects = threads[name.rawValue].handout.effects
            perform(effects.list[index], effects.bytes)
        case .wakeReceiver: receiverIsPaused = false
        case .returnUnsent:
            note("\(name): gives back")
            let sent = threads[name.rawValue].sent
            threads[name.rawValue].handout.effects.removeAll()
            askSocket()
            engine.sent(sent, &threads[name.rawValue].handout)
            return collectWork(name)
        }
        if threads[name.rawValue].steps.isEmpty { threads[name.rawValue].handout.effects.removeAll() }
    }

    private func perform(_ effect: Effect, _ bytes: [UInt8]) {
        switch effect {
        case .answer(let id, let answer): answered(id, answer, bytes)
        case .log(_, let text):
            note("  log: \(text)")
            checkLog(text)
        case .callDiscipline, .feedDiscipline, .withdrawDiscipline: fail("no discipline was asked for")
        case .notifyPoll, .changed, .end: break
        }
    }

    /// A thread with something to carry out does a step, or an idle one looks for work.
    func runSomeThread() {
        let name = tape.pick(ThreadName.allCases)
        if !threads[name.rawValue].isIdle { carryOut(name) } else { _ = work(name) }
    }

    /// - Returns: did any thread do anything?
    func runEveryThread() -> Bool {
        var hasWorked = false
        for name in ThreadName.allCases {
            while !threads[name.rawValue].isIdle {
                carryOut(name)
                hasWorked = true
            }
            if work(name) { hasWorked = true }
        }
        return hasWorked
    }

    private func work(_ name: ThreadName) -> Bool {
        switch name {
        case .cuse, .control: false
        case .transmit: transmitWorks()
        case .receive: receiveWorks()
        }
    }

    // The transmit thread.

    private func transmitWorks() -> Bool {
        switch transmit.phase {
        case .waits: break
        case .farewell(let number, let until): return sayFarewell(number, until)
        case .serverCloses(let number, let until):
            guard !transmit.isReceiving || until <= clock.now else { return false }
            transmit.phase = .leaves(number)
            return true
        case .leaves(let number):
            connection?.portHasEnded = true
            receiverIsPaused = false
            guard !transmit.isReceiving else { return false }
            endConnection()
            transmit.phase = .waits
            event(.transmit, "disconnected \(number)") { $0.tty.disconnected(number) }
            return true
        }
        if let command = transmit.command {
            transmit.command = nil
            take(command)
            return true
        }
        if let number = transmit.attempt, finishAttempt(number) { return true }
        if transmit.isBlocked, let connection, connection.room > 0 {
            transmit.isBlocked = false
            event(.transmit, "resumes") { $0.resumeSending() }
            return true
        }
        if let deadline = transmit.deadline, deadline <= clock.now {
            // As in `RemotePort`: the deadline stays until the port says another.
            event(.transmit, "advance") { $0.tty.advance() }
            return true
        }
        return false
    }

    private func take(_ command: RemoteCommand) {
        note("transmit: takes \(command)")
        switch command {
        case .lookUp(let number, let server): lookups.append((number, server))
        case .connect(let number, _):
            if connection != nil { fail("a second connection is made while one stands") }
            transmit.attempt = number
            attemptStarted = clock.now
            attemptIsSilent = fate(of: attemptedServer) == .silent
        case .disconnect(let number, let graceful):
            transmit.attempt = nil
            guard connection != nil else {
                return event(.transmit, "disconnected \(number)") { $0.tty.disconnected(number) }
            }
            if graceful {
                transmit.isBlocked = false
                transmit.phase = .farewell(number, until: clock.now + .seconds(1))
                event(.transmit, "resumes for the farewell") { $0.resumeSending() }
            } else {
                transmit.isClosing = true
                transmit.phase = .leaves(number)
            }
        }
    }

    private func sayFarewell(_ number: Int, _ until: MonotonicTime) -> Bool {
        if engine.tty.hasUnsent && until > clock.now {
            guard transmit.isBlocked, let connection, connection.room > 0 else { return false }
            transmit.isBlocked = false
            event(.transmit, "resumes for the farewell") { $0.resumeSending() }
            return true
        }
        transmit.isClosing = true
        receiverIsPaused = false
        if engine.tty.hasUnsent {
            transmit.phase = .leaves(number)
        } else {
            connection?.portHasShutDown = true
            transmit.phase = .serverCloses(number, until: clock.now + .seconds(1))
        }
        return true
    }

    // The receive thread.

    private func receiveWorks() -> Bool {
        keepAlive()
        guard transmit.isReceiving, let connection else { return false }
        if receiverIsPaused && !connection.isReset && !connection.serverHasEnded && !transmit.isClosing { return false }
        receiverIsPaused = false
        if threads[ThreadName.receive.rawValue].endsReceiving {
            threads[ThreadName.receive.rawValue].endsReceiving = false
            transmit.isReceiving = false
            return true
        }
        let number = connection.number
        if connection.endsNow {
            threads[ThreadName.receive.rawValue].endsReceiving = true
            event(.receive, "connection \(number) lost") { $0.tty.connectionLost(number, "gone") }
            return true
        }
        guard !connection.atPort.isEmpty else { return false }
        let bytes = self.connection?.portReads(400 - tape.below(400)) ?? []
        event(.receive, "receives \(bytes.count) on \(number)") { engine in
            engine.tty.receive(bytes.span, connection: number)
        }
        if !engine.tty.wantsToReceive(isPausing: false) {
            receiverIsPaused = !engine.tty.wantsToReceive(isPausing: true)
            engine.receiverSleeps = receiverIsPaused
        }
        return true
    }
}
