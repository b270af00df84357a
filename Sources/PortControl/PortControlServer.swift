import CLinux
import Glibc
import Platform
import SerialLine
import SystemPackage

/// Answers the clients of a port's control socket, and does the port's chores, in a thread of its own which sleeps while
/// there is nothing to do.
///
/// Concurrency model: clients and the socket belong to the thread; `wake` and `stop` may be called by any.
package final class PortControlServer: Sendable {
    /// What the control thread does besides.
    package struct Chore: Sendable {
        /// Does what is due, and says when it is to be called next; nil for not before `wake`.
        let run: @Sendable () -> MonotonicTime?

        package init(_ run: @escaping @Sendable () -> MonotonicTime?) { self.run = run }
    }

    /// A client that has not sent its line within this time is dropped.
    static let patience: UInt64 = .seconds(1)
    /// One client more, and the one that has been silent longest is dropped.
    static let mostClients = 16

    private let wakeUp: EventDescriptor
    private let isStopped = Monitor(false)

    /// - Throws: where the kernel gives no event descriptor.
    package init() throws(Errno) { wakeUp = try EventDescriptor() }

    /// Lets the chore be run soon.
    package func wake() { wakeUp.signal() }

    /// Ends the thread, after the replies that are under way. The socket goes with it.
    package func stop() {
        isStopped.withLock { $0 = true }
        wakeUp.signal()
    }

    /// Starts the thread.
    /// - Parameters:
    ///   - socket: nil where there is none, and only the chore is to be done.
    ///   - answer: gives the reply to a request, with its last line feed; called in the thread.
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
        let listener = socket?.descriptor.raw
        var clients: [ControlClient] = []
        while !isStopped.withLock({ $0 }) {
            let choreAt = chore?.run()
            let deadline = [choreAt, clients.map(\.deadline).min()].compactMap(\.self).min()
            var polls = [pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0)]
            polls.append(pollfd(fd: listener ?? -1, events: Int16(POLLIN), revents: 0))
            polls += clients.map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
            // Nothing can fail here but memory; then sleeping a moment is as good as anything.
            _ = try? waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
            if polls[0].revents != 0 { wakeUp.clear() }
            let ready = zip(clients, polls.dropFirst(2)).filter { $1.revents != 0 }.map(\.0)
            for client in ready { client.read(answer) }
            let now = MonotonicTime.now
            clients.removeAll { $0.isDone || $0.deadline <= now }
            if let listener, polls[1].revents != 0 { accept(from: listener, &clients, answer) }
        }
        socket?.remove()
    }

    /// A few at a time. Most have sent their line already, and are answered at once.
    private func accept(
        from listener: Int32, _ clients: inout [ControlClient],
        _ answer: (ControlRequest, PeerCredentials) -> String
    ) {
        for _ in 0..<Self.mostClients {
            let raw = clinux_accept(listener)
            guard raw >= 0 else { return }
            let client = ControlClient(Descriptor(owning: raw), deadline: .now + Self.patience)
            client.read(answer)
            guard !client.isDone else { continue }
            if clients.count >= Self.mostClients { clients.removeFirst() }
            clients.append(client)
        }
    }
}

/// One client, until it has its reply.
private final class ControlClient {
    private let socket: Descriptor
    let deadline: MonotonicTime
    private var line: [UInt8] = []
    private(set) var isDone = false

    init(_ socket: consuming Descriptor, deadline: MonotonicTime) {
        self.socket = socket
        self.deadline = deadline
    }

    var raw: Int32 { socket.raw }

    /// Takes what has come, and replies once a line is whole, or cannot become one.
    func read(_ answer: (ControlRequest, PeerCredentials) -> String) {
        var chunk = [UInt8](repeating: 0, count: 1024)
        while !isDone {
            let count = chunk.withUnsafeMutableBytes { recv(raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
            if count < 0 {
                isDone = errno != EAGAIN && errno != EINTR
                return
            }
            line += chunk[..<count]
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) {
                reply(end < PortControl.longestRequest ? text(Array(line[..<end]), answer) : tooLong)
            } else if line.count >= PortControl.longestRequest {
                reply(tooLong)
            } else if count == 0 {
                isDone = true
            }
        }
    }

    private var tooLong: String { ControlReply.refused("a request is one line of at most 4096 bytes").line + "\n" }

    private func text(_ line: [UInt8], _ answer: (ControlRequest, PeerCredentials) -> String) -> String {
        do {
            return answer(try ControlRequest(line: line), try PeerCredentials(of: raw))
        } catch let error as ControlRequest.Unknown {
            return ControlReply.refused(error.description).line + "\n"
        } catch {
            return ControlReply.refused("\(error)").line + "\n"
        }
    }

    /// The socket's buffer is larger than any reply, and empty: it goes in whole, or the client is gone.
    private func reply(_ text: String) {
        var text = text
        _ = text.withUTF8 { send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
        isDone = true
    }
}
