import Glibc
import Platform
import SerialLine
import SystemPackage

/// Answers the clients of a port's control socket, and does the port's chores, in a thread of its own, which sleeps
/// while there is no work.
///
/// Concurrency model: clients and the socket belong to the thread; `wake` and `stop` may be called by any thread.
package final class PortControlServer: Sendable {
    /// Additional work of the control thread.
    package struct Chore: Sendable {
        /// Does the work that is due, and returns when it must be called next; nil: not before `wake`.
        let run: @Sendable () -> MonotonicTime?

        package init(_ run: @escaping @Sendable () -> MonotonicTime?) { self.run = run }
    }

    private let wakeUp: EventDescriptor
    private let isStopped = Monitor(false)

    /// - Throws: if the kernel provides no event descriptor.
    package init() throws(Errno) { wakeUp = try EventDescriptor() }

    /// Makes the chore run soon.
    package func wake() { wakeUp.signal() }

    /// Ends the thread after the replies in progress, and removes the socket.
    package func stop() {
        isStopped.withLock { $0 = true }
        wakeUp.signal()
    }

    /// Starts the thread.
    /// - Parameters:
    ///   - socket: nil if the port has no control socket; then only the chore runs.
    ///   - answer: returns the reply to a request, including its last line feed; called in the thread.
    package func start(
        _ socket: ControlSocket?, chore: Chore? = nil,
        answer: @escaping @Sendable (ControlRequest, PeerCredentials) -> String
    ) throws(Errno) -> Thread {
        try Thread("control") { self.run(socket, chore, answer) }
    }
}

extension PortControlServer {
    private func run(
        _ socket: ControlSocket?, _ chore: Chore?, _ answer: (ControlRequest, PeerCredentials) -> String
    ) {
        let clients = ControlClients(socket)
        while !isStopped.withLock({ $0 }) {
            let choreAt = chore?.run()
            let deadline = [choreAt, clients.nextDeadline].compactMap(\.self).min()
            var polls = [pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0)] + clients.polls
            // Only memory can run out here; then a short sleep is enough.
            _ = try? waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
            if polls[0].revents != 0 { wakeUp.clear() }
            clients.process(polls.dropFirst(), .now) { line, peer in
                do {
                    return answer(try ControlRequest(line: line), peer)
                } catch {
                    return ControlReply.refused("\(error)").line + "\n"
                }
            }
        }
        socket?.remove()
    }
}
