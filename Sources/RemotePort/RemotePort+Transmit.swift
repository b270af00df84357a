import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

// The transmit thread.
extension RemotePort {
    /// How long the last bytes of a connection may take to leave, and how long the server has to close its end.
    private static let farewell: UInt64 = .seconds(1)
    /// A server that takes nothing for so long, while the socket is full, takes nothing any more.
    private static let standstill: UInt64 = .milliseconds(250)
    private static let serverCloses: UInt64 = .seconds(1)

    func transmitLoop() {
        while true {
            let request = state.withLock { state -> State.Request? in
                defer { state.request = nil }
                return state.request
            }
            switch request {
            case .connect: makeConnection()
            case .disconnect(let graceful): endConnection(graceful: graceful)
            case nil:
                let (isStopped, blocked) = state.withLock { state in
                    (state.isStopped, state.isBlocked && !state.isBroken ? state.socket : nil)
                }
                if isStopped { return stopReceiving() }
                if sleep(on: blocked, POLLOUT) { unblock() }
            }
        }
    }

    /// Sleeps until woken, a deadline has passed (which is passed on to the port), or `descriptor` has an event.
    /// - Parameter limit: sleeps no longer than until then.
    /// - Returns: has it?
    private func sleep(on descriptor: Int32?, _ events: Int32, until limit: MonotonicTime? = nil) -> Bool {
        let deadline = state.withLock { state -> MonotonicTime? in
            state.sleepsUntil = .some(state.deadline)
            return state.deadline
        }
        let wakeAt = [deadline, limit].compactMap(\.self).min()
        var descriptors = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let descriptor { descriptors.append(pollfd(fd: descriptor, events: Int16(events), revents: 0)) }
        // Nothing can fail here but memory; then sleeping a moment is as good as anything.
        _ = try? waitForEvents(&descriptors, nanoseconds: wakeAt?.nanosecondsFromNow)
        state.withLock { $0.sleepsUntil = nil }
        if descriptors[0].revents != 0 { wake.clear() }
        if let deadline, deadline <= .now { port.withTTY { $0.advance() } }
        guard descriptors.count > 1 else { return false }
        // Always "ready" from now on: asked once more, and then no longer.
        if descriptors[1].revents & Int16(POLLERR | POLLHUP) != 0 { state.withLock { $0.isBroken = true } }
        return descriptors[1].revents != 0
    }

    /// The socket takes bytes again.
    private func unblock() {
        state.withLock { state in
            state.isBlocked = false
            if let socket = state.socket { SocketOptions.setUserTimeout(of: socket, seconds: deadAfter) }
        }
        port.resumeSending()
    }

    private var isCancelled: Bool {
        state.withLock { state in
            if case .disconnect = state.request { return true }
            return state.isStopped
        }
    }

    // Connecting.

    private func makeConnection() {
        var failure = AttemptFailure()
        while true {
            let (servers, changes) = state.withLock { ($0.servers, $0.changes) }
            failure = AttemptFailure()
            for (index, server) in servers.enumerated() {
                let isLast = index == servers.count - 1
                if connect(to: server, of: servers.count, isLast: isLast, changes, &failure) { return }
                // What cancelled it is the next request.
                if isCancelled { return }
                if hasChanged(since: changes) { break }
            }
            if !hasChanged(since: changes) { break }
        }
        let (error, reason) = (failure.error, failure.reasons.joined(separator: "; "))
        port.withTTY { $0.connectFailed(error, reason) }
    }

    /// Why no connection could be made, attempt by attempt.
    private struct AttemptFailure {
        var error = Errno.noRouteToHost
        var reasons: [String] = []
    }

    /// The servers are others than they were.
    private func hasChanged(since changes: Int) -> Bool { state.withLock { $0.changes != changes } }

    /// Tries all addresses of one server.
    /// - Returns: is there a connection?
    private func connect(
        to server: Endpoint, of count: Int, isLast: Bool, _ changes: Int, _ failure: inout AttemptFailure
    ) -> Bool {
        let addresses: [SocketAddress]
        do {
            addresses = try server.resolve()
        } catch {
            failure.reasons.append("\(error)")
            return false
        }
        if addresses.isEmpty { failure.reasons.append("\(server) has no address") }
        // One that says nothing is not to use up the time of those behind it; the last has all there is.
        let part = max(patience / UInt64(max(count * addresses.count, 1)), .milliseconds(300))
        for (index, address) in addresses.enumerated() {
            let limit = isLast && index == addresses.count - 1 ? nil : MonotonicTime.now + part
            do {
                let socket = try connect(to: address, until: limit, changes)
                takeUp(socket.release(), address)
                return true
            } catch {
                failure.error = error
                failure.reasons.append("\(ConnectFailure(endpoint: server, address: address, error: error))")
            }
            if isCancelled || hasChanged(since: changes) { return false }
        }
        return false
    }

    private func connect(
        to address: SocketAddress, until limit: MonotonicTime?, _ changes: Int
    ) throws(Errno) -> Descriptor {
        let socket = try Connecting.begin(address)
        SocketOptions.apply(to: socket.raw, deadAfter: deadAfter)
        while !sleep(on: socket.raw, POLLOUT, until: limit) {
            if isCancelled || hasChanged(since: changes) { throw .canceled }
            if let limit, limit <= .now { throw .timedOut }
        }
        try Connecting.finish(socket)
        return socket
    }

    private func takeUp(_ socket: Int32, _ address: SocketAddress) {
        let connection = state.withLock { state -> Int in
            state.socket = socket
            state.isBlocked = false
            state.isBroken = false
            state.isClosing = false
            state.connections += 1
            state.isReceiving = true
            return state.connections
        }
        port.resumeSending()
        port.withTTY { $0.connected(to: "\(address)", connection: connection) }
        state.wakeAll()
    }

    // Disconnecting.

    private func endConnection(graceful: Bool) {
        guard let socket = state.withLock({ $0.socket }) else {
            return port.withTTY { $0.disconnected() }
        }
        let isSent = graceful && sendRest(socket)
        state.withLock { $0.isClosing = true }
        if isSent {
            // The server is to see the end only after all of the bytes; its own close then shows that it has.
            shutdown(socket, Int32(SHUT_WR))
            port.wakeReceiver()
            state.wait(until: .now + Self.serverCloses) { !$0.isReceiving }
        }
        shutdown(socket, Int32(SHUT_RDWR))
        port.wakeReceiver()
        state.wait { $0.isIdle }
        state.withLock { $0.socket = nil }
        // A server that has not taken everything by now would hold on to this client, for as long as this kernel goes
        // on offering it the rest, and turn the next one away.
        if Self.unacknowledged(socket) > 0 { SocketOptions.endHard(socket) }
        close(socket)
        port.withTTY { $0.disconnected() }
    }

    /// - Returns: has all of it gone to the socket?
    private func sendRest(_ socket: Int32) -> Bool {
        let deadline = MonotonicTime.now + Self.farewell
        unblock()
        while port.look({ $0.hasUnsent }) {
            let before = Self.unacknowledged(socket)
            let limit = min(deadline, .now + Self.standstill)
            var descriptors = [pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)]
            _ = try? waitForEvents(&descriptors, nanoseconds: limit.nanosecondsFromNow)
            if descriptors[0].revents & Int16(POLLERR | POLLHUP) != 0 || deadline <= .now { return false }
            if descriptors[0].revents == 0 && Self.unacknowledged(socket) >= before { return false }
            unblock()
        }
        return true
    }

    /// The program ends: the receive thread is let go.
    private func stopReceiving() {
        if let socket = state.withLock({ $0.socket }) { shutdown(socket, Int32(SHUT_RDWR)) }
        state.withLock { $0.isClosing = true }
        port.wakeReceiver()
        state.wakeAll()
    }
}
