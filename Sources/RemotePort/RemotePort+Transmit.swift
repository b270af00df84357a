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
    /// - Returns: has it?
    private func sleep(on descriptor: Int32?, _ events: Int32) -> Bool {
        let deadline = state.withLock { state -> MonotonicTime? in
            state.sleepsUntil = .some(state.deadline)
            return state.deadline
        }
        var descriptors = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let descriptor { descriptors.append(pollfd(fd: descriptor, events: Int16(events), revents: 0)) }
        // Nothing can fail here but memory; then sleeping a moment is as good as anything.
        _ = try? waitForEvents(&descriptors, nanoseconds: deadline?.nanosecondsFromNow)
        state.withLock { $0.sleepsUntil = nil }
        if descriptors[0].revents != 0 { wake.clear() }
        if let deadline, deadline <= .now { passTime() }
        guard descriptors.count > 1 else { return false }
        // Always "ready" from now on: asked once more, and then no longer.
        if descriptors[1].revents & Int16(POLLERR | POLLHUP) != 0 { state.withLock { $0.isBroken = true } }
        return descriptors[1].revents != 0
    }

    private func passTime() {
        let socket = state.withLock { $0.socket }
        port.withTTY { tty in
            let unacknowledged = tty.wantsUnacknowledged ? socket.map(Self.unacknowledged) ?? 0 : 0
            tty.advance(unacknowledged: unacknowledged)
        }
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
        let addresses: [SocketAddress]
        do {
            addresses = try endpoint.resolve()
        } catch {
            return port.withTTY { $0.connectFailed(.noRouteToHost, "\(error)") }
        }
        var failure = (Errno.noRouteToHost, "\(endpoint) has no address")
        for address in addresses {
            do {
                let socket = try connect(to: address)
                return takeUp(socket.release(), address)
            } catch {
                failure = (error, "\(ConnectFailure(endpoint: endpoint, address: address, error: error))")
            }
            // What cancelled it is the next request.
            if isCancelled { return }
        }
        port.withTTY { $0.connectFailed(failure.0, failure.1) }
    }

    private func connect(to address: SocketAddress) throws(Errno) -> Descriptor {
        let socket = try Connecting.begin(address)
        SocketOptions.apply(to: socket.raw, deadAfter: deadAfter)
        while !sleep(on: socket.raw, POLLOUT) { if isCancelled { throw .canceled } }
        try Connecting.finish(socket)
        return socket
    }

    private func takeUp(_ socket: Int32, _ address: SocketAddress) {
        state.withLock { state in
            state.socket = socket
            state.isBlocked = false
            state.isBroken = false
            state.isClosing = false
            state.connections += 1
            state.isReceiving = true
        }
        port.resumeSending()
        port.withTTY { $0.connected(to: "\(address)") }
        state.wakeAll()
    }

    // Disconnecting.

    private func endConnection(graceful: Bool) {
        guard let socket = state.withLock({ $0.socket }) else {
            return port.withTTY { $0.disconnected() }
        }
        if graceful { sendRest(socket) }
        state.withLock { $0.isClosing = true }
        if graceful {
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

    private func sendRest(_ socket: Int32) {
        let deadline = MonotonicTime.now + Self.farewell
        unblock()
        while port.look({ $0.hasUnsent }), MonotonicTime.now < deadline {
            var descriptors = [pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)]
            _ = try? waitForEvents(&descriptors, nanoseconds: deadline.nanosecondsFromNow)
            if descriptors[0].revents & Int16(POLLERR | POLLHUP) != 0 { return }
            unblock()
        }
    }

    /// The program ends: the receive thread is let go.
    private func stopReceiving() {
        if let socket = state.withLock({ $0.socket }) { shutdown(socket, Int32(SHUT_RDWR)) }
        state.withLock { $0.isClosing = true }
        port.wakeReceiver()
        state.wakeAll()
    }
}
