import CLinux
import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// The network side of a port.
extension VirtualPort {
    /// Most refused clients kept at a time; beyond it the oldest is closed.
    private static let mostRefused = 8

    /// Adds the events that this port waits for.
    func addEvents(to polls: inout PollSet) {
        listenerPlace = listenAgain == nil ? listener.map { polls.add($0.descriptor.raw, POLLIN) } : nil
        clientPlace = client.map { client in
            var events: Int32 = client.isLeaving ? 0 : clinux_pollrdhup
            if clientReadLimit(late: 0) > 0 { events |= POLLIN }
            if !client.outgoing.isEmpty && client.nextSend == nil { events |= POLLOUT }
            return polls.add(client.descriptor.raw, events)
        }
        for client in refused { client.addEvents(to: &polls) }
        let hasBytes = pacesClient ? departed > 0 : !transmit.isEmpty
        device?.addEvents(to: &polls, reads: deviceRoom > 0, writes: hasBytes && !isHeld)
    }

    /// Handles the events of a wait.
    func handle(_ polls: PollSet, _ buffer: inout [UInt8], now: MonotonicTime) {
        if polls.events(clientPlace) != 0 { handleClient(polls.events(clientPlace), &buffer, now) }
        refused.removeAll { $0.isDone(polls, &buffer, now: now) }
        if polls.events(listenerPlace) != 0 { accept(now) }
        device?.receive(polls, limit: deviceRoom, into: self)
    }

    /// Whether the client's bytes may be read, because there is room for them.
    private var listensToClient: Bool {
        guard let client else { return false }
        return client.stalledUntil == nil && client.outgoing.room > 0
    }

    /// Number of bytes that may be read from the client now.
    /// - Parameter late: bytes that have left the line and are still in the buffer, or could have left it.
    private func clientReadLimit(late: Int) -> Int {
        guard listensToClient, let client else { return 0 }
        var limit = transmit.room + late
        if let drop = configuration.faults.dropAfter { limit = min(limit, drop - client.dataCount) }
        if let stall = configuration.faults.stallAfter, !client.hasStalled {
            limit = min(limit, stall - client.dataCount)
        }
        return max(limit, 0)
    }

    /// Counts the bytes that wait in the client's socket while the line is busy. If the thread reads these bytes
    /// late, they still follow on the line without a gap.
    func updateBacklog() {
        guard pacesClient, listensToClient, let client else {
            backlog = 0
            return
        }
        if pacer.isBusy { backlog = client.waitingBytes }
    }

    private func handleClient(_ events: Int32, _ buffer: inout [UInt8], _ now: MonotonicTime) {
        guard let client else { return }
        // The far end receives bytes only after every port has read, so that an earlier purge of its client is
        // carried out first.
        let left = pacesClient ? depart(now) : 0
        let missed = backlog > 0 ? pacer.missed(frame: lineFrame, now: now) : 0
        let limit = clientReadLimit(late: left + min(backlog, missed))
        if events & (POLLERR | POLLHUP) != 0 && (events & POLLIN == 0 || limit == 0) {
            disconnect()
            return
        }
        if events & POLLIN != 0 && limit > 0 {
            do {
                guard let count = try client.receive(into: &buffer, limit: limit) else { return }
                if count == 0 { return endOfClient(now) }
                prompt = min(backlog, count)
                backlog -= prompt
                take(buffer.span.extracting(0..<count), now)
                if pacesClient { depart(now) }
                prompt = 0
            } catch {
                disconnect()
            }
        } else if events & clinux_pollrdhup != 0 {
            client.isLeaving = true
        }
    }

    /// The client has closed, and all its bytes were read: handles the rest of them.
    private func endOfClient(_ now: MonotonicTime) {
        transmitToLine(now)
        _ = sendToClient(now)
        if client != nil { disconnect() }
    }

    private func take(_ input: borrowing Span<UInt8>, _ now: MonotonicTime) {
        guard let client else { return }
        var offset = 0
        while let event = client.server.next(input, &offset, now: now, &client.outgoing.storage) {
            switch event {
            case .data(let range):
                takeData(input, range)
            case .bytes(let bytes): takeData(bytes.span, 0..<bytes.count)
            case .request(let request): carryOut(request, now)
            case .suspended(let on): observe(.suspended(on))
            case .lineStateMask(let mask): observe(.lineStateMask(mask))
            case .modemStateMask(let mask): observe(.modemStateMask(mask))
            case .signature(let text): observe(.signature(text))
            case .negotiated: observe(.negotiated)
            case .died: disconnect()
            }
            guard self.client === client else { return }
        }
        checkFaults(client, now)
    }

    private func takeData(_ input: borrowing Span<UInt8>, _ range: Range<Int>) {
        client?.dataCount += range.count
        transmit.append(input, range)
        if configuration.observer != nil {
            var copy: [UInt8] = []
            copy.append(contentsOf: input, range)
            observe(.data(copy))
        }
    }

    private func checkFaults(_ client: ClientConnection, _ now: MonotonicTime) {
        let faults = configuration.faults
        if let drop = faults.dropAfter, client.dataCount >= drop {
            endOfClient(now)
        } else if let stall = faults.stallAfter, client.dataCount >= stall, !client.hasStalled {
            client.hasStalled = true
            client.stalledUntil = faults.stallNanoseconds.map { now + $0 } ?? MonotonicTime(nanoseconds: .max)
            observe(.stalled(true))
        }
    }

    func resumeStalled() {
        guard let client, client.stalledUntil != nil else { return }
        client.stalledUntil = nil
        observe(.stalled(false))
    }

    /// Sends the client the bytes from the line, and everything else that waits for it.
    /// - Returns: whether any byte was moved.
    func sendToClient(_ now: MonotonicTime) -> Bool {
        guard let client else { return false }
        if client.outgoing.room > 0 && !client.server.isSuspended { encodeReceived(client) }
        guard !client.outgoing.isEmpty else { return false }
        do {
            return try client.send(now: now) > 0
        } catch {
            disconnect()
            return false
        }
    }

    /// Encodes the bytes from the line in the connection's framing.
    func encodeReceived(_ client: ClientConnection) {
        guard !received.isEmpty else { return }
        received.withFront(received.count) { client.encode($0) }
        received.removeAll()
    }

    private func accept(_ now: MonotonicTime) {
        guard let listener else { return }
        do {
            guard let accepted = try listener.accept() else { return }
            if let client, !client.isLeaving {
                refuse(accepted, client.address, now)
            } else {
                connect(accepted, now)
            }
        } catch {
            // No descriptor or memory is left: the client waits in the backlog meanwhile.
            listenAgain = now + .milliseconds(200)
        }
    }

    private func connect(_ accepted: consuming Accepted, _ now: MonotonicTime) {
        if client != nil { disconnect() }
        // Bytes of the client before, which cannot leave, would precede the new client's bytes.
        if isHeld { purgeTransmit() }
        let trace = configuration.trace
        let index = index
        let tracer = trace.map { trace in Tracer { trace(index, $0) } }
        var server = ComPortServer(configuration.profile, port: state, now: now)
        var greeting: [UInt8] = []
        server.open(&greeting)
        let client = ClientConnection(accepted, server, tracer: tracer)
        client.outgoing.storage = greeting
        self.client = client
        observe(.connected(client.address))
        device?.clientConnected(now: now)
        updateInputs(now)
    }

    /// Sends a further client the reason for its refusal.
    private func refuse(_ accepted: consuming Accepted, _ owner: String, _ now: MonotonicTime) {
        observe(.refused(accepted.peer))
        if refused.count == Self.mostRefused { refused.removeFirst() }
        refused.append(RefusedClient(accepted, "port is in use by \(owner)\r\n", now: now))
    }

    /// The client has gone: its lines fall, and the port is free.
    func disconnect(abortive: Bool = false) {
        if abortive, let client { client.descriptor.resetOnClose() }
        client = nil
        backlog = 0
        received.removeAll()
        state.outputs = []
        if state.isBreaking { setBreak(false) }
        state.isRS485 = false
        isStoppedByXOFF = false
        device?.clientDisconnected()
        peer?.updateInputs(.now)
        observe(.disconnected)
    }

    /// Servers that wait for their transmit buffer to drain do not listen meanwhile.
    func updateListening(now: MonotonicTime) {
        let jammed = configuration.profile.waitsForDrain && client == nil && !transmit.isEmpty
        if jammed {
            listener = nil
            listenAgain = nil
        } else if (listenAgain ?? now) <= now {
            if listener == nil { listener = try? Listener(address, receiveBuffer: configuration.socketBuffer) }
            listenAgain = listener == nil ? now + .milliseconds(100) : nil
        }
    }
}
