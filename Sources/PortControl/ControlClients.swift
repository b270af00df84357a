import CLinux
import Glibc
import Platform
import SerialLine
import SystemPackage

/// The clients of a control socket, for a poll loop: each sends one line, gets one reply, and is disconnected.
///
/// Concurrency model: the thread of its owner.
package final class ControlClients {
    /// Returns the reply to a line, including its last line feed.
    package typealias Answer = (_ line: [UInt8], _ peer: PeerCredentials) -> String

    /// Time for a client to send its line before it is dropped, in nanoseconds.
    static let patience: UInt64 = .seconds(1)
    /// Most clients. One more, and the client that has been silent longest is dropped.
    static let mostClients = 16

    private let listener: Int32?
    private let socket: ControlSocket?
    private var clients: [ControlClient] = []

    /// - Parameter socket: nil if the port has no control socket; then no client can connect.
    package init(_ socket: ControlSocket?) {
        self.socket = socket
        listener = socket?.descriptor.raw
    }

    /// The descriptors to poll.
    package var polls: [pollfd] {
        [pollfd(fd: listener ?? -1, events: Int16(POLLIN), revents: 0)]
            + clients.map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
    }

    /// When `process` must be called without an event.
    package var nextDeadline: MonotonicTime? { clients.map(\.deadline).min() }

    /// Answers clients that have sent their line, drops silent ones, and accepts new ones.
    /// - Parameter polls: the value of `polls`, after poll(2).
    package func process(_ polls: some Collection<pollfd>, _ now: MonotonicTime, _ answer: Answer) {
        let ready = zip(clients, polls.dropFirst()).filter { $1.revents != 0 }.map(\.0)
        for client in ready { client.read(answer) }
        clients.removeAll { $0.isDone || $0.deadline <= now }
        if let listener, let first = polls.first, first.revents != 0 { accept(from: listener, answer) }
    }

    /// Accepts a few clients at a time. Most have sent their line already, and are answered at once.
    private func accept(from listener: Int32, _ answer: Answer) {
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

    /// Reads available bytes, and replies once the line is complete, or too long.
    func read(_ answer: ControlClients.Answer) {
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

    private func text(_ line: [UInt8], _ answer: ControlClients.Answer) -> String {
        do {
            return answer(line, try PeerCredentials(of: raw))
        } catch {
            return ControlReply.refused("\(error)").line + "\n"
        }
    }

    /// The socket's buffer is empty and larger than any reply: the reply fits, or the client is gone.
    private func reply(_ text: String) {
        var text = text
        _ = text.withUTF8 { send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
        isDone = true
    }
}
