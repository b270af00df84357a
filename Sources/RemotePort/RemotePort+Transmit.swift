import CLinux
import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

// The transmit thread.
extension RemotePort {
    /// Time for the last bytes of a connection to be sent, and for the server to close its end, in nanoseconds.
    private static let farewell: UInt64 = .seconds(1)
    /// A server that has taken nothing for this time, while the socket is full, is given up, in nanoseconds.
    private static let standstill: UInt64 = .milliseconds(250)
    private static let serverCloses: UInt64 = .seconds(1)

    /// A connection that is being made.
    struct Attempt: ~Copyable {
        let number: Int
        let socket: Descriptor
        let address: ServerAddress
    }

    func transmitLoop() {
        var attempt: Attempt?
        var pause = WindowPause()
        while true {
            let command = state.withLock { state -> RemoteCommand? in
                defer { state.command = nil }
                return state.command
            }
            switch command {
            case .lookUp(let number, let server): lookUp(number, server)
            case .connect(let number, let address):
                attempt = nil
                attempt = begin(number, address)
            case .disconnect(let number, let graceful):
                attempt = nil
                endConnection(graceful: graceful)
                port.withTTY { $0.disconnected(number) }
            case nil:
                if state.withLock({ $0.isStopped }) { return stopReceiving() }
                let isDone = sleep(attempt?.socket.raw, &pause)
                if isDone, let ended = attempt.take() { finish(ended) }
            }
        }
    }

    /// Sleeps until woken, a deadline has passed (which is passed on to the port), or a socket has an event.
    /// - Parameter attempt: the socket of a connection that is being made.
    /// - Returns: has its making ended?
    private func sleep(_ attempt: Int32?, _ pause: inout WindowPause) -> Bool {
        let (deadline, watched, looks) = state.withLock { state -> (MonotonicTime?, pollfd?, Bool) in
            state.sleepsUntil = .some(state.deadline)
            return (state.deadline, state.watched, state.block == .window && state.socket != nil && !state.isClosing)
        }
        if !looks { pause.reset() }
        let wakeAt = sooner(deadline, looks ? .now + pause.next : nil)
        var descriptors = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let attempt { descriptors.append(pollfd(fd: attempt, events: Int16(POLLOUT), revents: 0)) }
        if let watched { descriptors.append(watched) }
        // Only memory can run out here; then a short sleep is enough.
        _ = try? waitForEvents(&descriptors, nanoseconds: wakeAt?.nanosecondsFromNow)
        state.withLock { $0.sleepsUntil = nil }
        if descriptors[0].revents != 0 { wake.clear() }
        if let deadline, deadline <= .now { port.withTTY { $0.advance() } }
        if watched != nil, let events = descriptors.last?.revents, events != 0 { see(events) }
        if looks { look(&pause) }
        return attempt != nil && descriptors[1].revents != 0
    }

    /// The connection's socket has an event.
    private func see(_ events: Int16) {
        let ends = Int32(events) & (POLLERR | POLLHUP | clinux_pollrdhup) != 0
        if ends {
            // Such a socket is always ready from now on, so it is no longer polled.
            state.withLock { $0.hasEnded = true }
            port.wakeReceiver()
        }
        if Int32(events) & POLLOUT != 0 && !ends { unblock() }
    }

    /// Checks whether the peer's window has opened.
    private func look(_ pause: inout WindowPause) {
        let hasRoom = state.withLock { state in state.socket.map { SocketOptions.window($0).room > 0 } ?? false }
        if hasRoom {
            pause.reset()
            unblock()
        } else {
            pause.grow()
        }
    }

    /// The socket has room again.
    private func unblock() {
        state.withLock { $0.block = nil }
        port.resumeSending()
    }

    // Connecting.

    /// A name server may be silent: lookups run in a thread of their own, which can be abandoned.
    private func lookUp(_ number: Int, _ server: Endpoint) {
        if let addresses = try? server.resolve(numericOnly: true) { return tell(number, server, .success(addresses)) }
        let isUnderWay = state.withLock { state in state.lookups.updateValue(number, forKey: server) != nil }
        if isUnderWay { return }
        do {
            _ = try Thread("lookup") {
                let result: Result<[SocketAddress], LookupFailure>
                do {
                    result = .success(try server.resolve())
                } catch {
                    result = .failure(LookupFailure("\(error)"))
                }
                // Only the last command that asked for this server is waiting.
                if let number = self.state.withLock({ $0.lookups.removeValue(forKey: server) }) {
                    self.tell(number, server, result)
                }
            }
        } catch {
            state.withLock { $0.lookups[server] = nil }
            tell(number, server, .failure(LookupFailure("cannot look up '\(server.host)': \(error)")))
        }
    }

    private func tell(_ number: Int, _ server: Endpoint, _ result: Result<[SocketAddress], LookupFailure>) {
        let result = result.map { $0.map { ServerAddress(bytes: $0.bytes, description: "\($0)") } }
        port.withTTY { $0.lookedUp(number, server, result) }
    }

    private func begin(_ number: Int, _ address: ServerAddress) -> Attempt? {
        // An open connection belongs to a port that no longer wants it.
        endConnection(graceful: false)
        do {
            guard let target = SocketAddress(bytes: address.bytes) else { throw Errno.invalidArgument }
            let socket = try Connecting.begin(target) { SocketOptions.apply(to: $0, deadAfter: self.deadAfter) }
            return Attempt(number: number, socket: socket, address: address)
        } catch {
            let error = error as? Errno ?? .invalidArgument
            port.withTTY { $0.connectFailed(number, error) }
            return nil
        }
    }

    private func finish(_ attempt: consuming Attempt) {
        do {
            try Connecting.finish(attempt.socket)
        } catch {
            let number = attempt.number
            return port.withTTY { $0.connectFailed(number, error) }
        }
        let (number, address) = (attempt.number, attempt.address)
        takeUp(attempt.socket.release(), number)
        port.withTTY { $0.connected(number, to: "\(address)") }
        state.wakeAll()
    }

    private func takeUp(_ socket: Int32, _ number: Int) {
        SocketOptions.acknowledgeAtOnce(socket)
        state.withLock { state in
            state.socket = socket
            state.number = number
            state.block = nil
            state.window = PeerWindow()
            state.hasEnded = false
            state.isPaused = false
            state.isClosing = false
            state.isReceiving = true
        }
    }

    // Disconnecting.

    private func endConnection(graceful: Bool) {
        guard let socket = state.withLock({ $0.socket }) else { return }
        let isSent = graceful && sendRest(socket)
        state.withLock { $0.isClosing = true }
        if isSent {
            // The server must see the end of the stream only behind all bytes; its own close then shows that it has
            // received them.
            shutdown(socket, Int32(SHUT_WR))
            port.wakeReceiver()
            state.wait(until: .now + Self.serverCloses) { !$0.isReceiving }
        }
        shutdown(socket, Int32(SHUT_RDWR))
        port.wakeReceiver()
        state.wait { $0.isIdle }
        state.withLock { $0.socket = nil }
        // A server that has not taken everything by now would keep this client while the kernel offers it the rest,
        // and refuse the next client.
        if SocketOptions.unacknowledged(socket) > 0 { SocketOptions.endHard(socket) }
        close(socket)
    }

    /// - Returns: whether all bytes were passed to the socket.
    private func sendRest(_ socket: Int32) -> Bool {
        let deadline = MonotonicTime.now + Self.farewell
        unblock()
        while port.look({ $0.hasUnsent }) {
            let before = SocketOptions.unacknowledged(socket)
            let waitsForWindow = state.withLock { $0.block == .window }
            let limit = min(deadline, .now + Self.standstill)
            if waitsForWindow {
                while SocketOptions.window(socket).room == 0, MonotonicTime.now < limit { usleep(1000) }
                if SocketOptions.window(socket).room == 0 && SocketOptions.unacknowledged(socket) >= before {
                    return false
                }
            } else {
                var descriptors = [pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)]
                _ = try? waitForEvents(&descriptors, nanoseconds: limit.nanosecondsFromNow)
                if descriptors[0].revents & Int16(POLLERR | POLLHUP) != 0 { return false }
                if descriptors[0].revents == 0 && SocketOptions.unacknowledged(socket) >= before { return false }
            }
            if deadline <= .now { return false }
            unblock()
        }
        return true
    }

    /// The program ends: the receive thread is released.
    private func stopReceiving() {
        if let socket = state.withLock({ $0.socket }) { shutdown(socket, Int32(SHUT_RDWR)) }
        state.withLock { $0.isClosing = true }
        port.wakeReceiver()
        state.wakeAll()
    }
}

extension RemotePort.State {
    /// The connected socket, if it must be polled: for room, or for its end while no thread receives from it.
    fileprivate var watched: pollfd? {
        guard let socket, !hasEnded, !isClosing else { return nil }
        var events: Int32 = 0
        if block == .buffer { events |= POLLOUT }
        if isPaused || block != nil { events |= clinux_pollrdhup }
        return events == 0 ? nil : pollfd(fd: socket, events: Int16(events), revents: 0)
    }
}
