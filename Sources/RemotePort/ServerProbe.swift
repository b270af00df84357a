import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage
import VirtualTTY

/// Finds out what kind of server this is, without changing anything there: every request is a query.
package struct ServerProbe: ~Copyable {
    /// What the server answered.
    package struct Report: Sendable {
        package let isRFC2217: Bool
        /// The reason why the server does not speak RFC 2217; nil if it does.
        package let refusal: String
        /// The server has closed the connection.
        package let hasClosed: Bool
        package let answered: AnswerKinds
        package let unanswered: AnswerKinds
        /// The data bytes that the server sent before it agreed to the option.
        package let heard: [UInt8]
    }

    /// The address of the connection, and the time that connecting took, in nanoseconds.
    package let address: String
    package let connectedAfter: UInt64
    private let socket: Descriptor
    private let deadline: MonotonicTime

    /// Connects to the server.
    /// - Parameter timeout: for the whole probe, in nanoseconds.
    package init(_ endpoint: Endpoint, timeout: UInt64) throws {
        deadline = .now + timeout
        var failure: (any Error)?
        for address in try endpoint.resolve() {
            let began = MonotonicTime.now
            do {
                socket = try Self.connect(address, deadline)
                self.address = "\(address)"
                connectedAfter = MonotonicTime.now.since(began)
                return
            } catch {
                let address = ServerAddress(bytes: address.bytes, description: "\(address)")
                failure = ConnectFailure(server: endpoint, address: address, error: error)
            }
        }
        throw failure ?? ResolveError(host: endpoint.host, reason: "it has no address")
    }

    private static func connect(_ address: SocketAddress, _ deadline: MonotonicTime) throws(Errno) -> Descriptor {
        let socket = try Connecting.begin(address)
        var descriptors = [pollfd(fd: socket.raw, events: Int16(POLLOUT), revents: 0)]
        if try waitForEvents(&descriptors, nanoseconds: deadline.nanosecondsFromNow) == 0 { throw .timedOut }
        try Connecting.finish(socket)
        return socket
    }

    /// Sends the queries and collects the answers, until the server has answered them all or time is over.
    package func run() -> Report {
        var client = ComPortClient()
        var wire = client.output
        client.output.removeAll()
        let queries: [ComPortCommand] = [
            .setDataSize(0), .setParity(0), .setStopSize(0), .setControl(.queryFlow), .setControl(.queryDTR),
            .setControl(.queryRTS), .setBaudRate(0),
        ]
        for (index, query) in queries.enumerated() {
            client.encode(query, ticket: UInt64(index), now: .now, to: &wire)
        }
        send(wire)
        var open = Set(0..<UInt64(queries.count))
        var hasClosed = false
        while !(open.isEmpty && client.isActive), MonotonicTime.now < deadline {
            guard let bytes = receive() else {
                hasClosed = true
                break
            }
            var offset = 0
            while let event = client.next(bytes.span, &offset, now: { .now }) {
                if case .answered(_, let ticket?) = event { open.remove(ticket) }
                if event == .refused { return report(client, "it refuses COM-PORT-OPTION") }
                if event == .echoed { return report(client, "it echoes what it receives") }
            }
            send(client.output)
            client.output.removeAll()
            for ticket in client.expire(.now) { open.remove(ticket) }
        }
        return report(client, "no answer to COM-PORT-OPTION", hasClosed: hasClosed)
    }

    /// Asks all questions, one after the other.
    package func survey() -> ServerSurvey {
        var survey = ServerSurvey(now: .now, patience: deadline.nanosecondsFromNow)
        while !survey.isDone {
            send(survey.output)
            survey.output.removeAll()
            guard let bytes = receive(until: survey.deadline ?? .now) else {
                survey.close()
                break
            }
            if bytes.isEmpty { survey.advance(now: .now) } else { survey.receive(bytes.span, now: .now) }
        }
        return survey
    }

    private func report(_ client: ComPortClient, _ refusal: String, hasClosed: Bool = false) -> Report {
        Report(
            isRFC2217: client.isActive && (client.hasSpoken || !hasClosed), refusal: refusal, hasClosed: hasClosed,
            answered: client.answered,
            unanswered: client.unanswered, heard: client.heard)
    }

    private func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private func receive() -> [UInt8]? { receive(until: min(deadline, .now + .milliseconds(100))) }

    /// The next bytes of the server: an empty array if none came in time, nil at the end of the connection.
    private func receive(until limit: MonotonicTime) -> [UInt8]? {
        var descriptors = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
        let wait = limit.nanosecondsFromNow
        guard let ready = try? waitForEvents(&descriptors, nanoseconds: wait) else { return nil }
        if ready == 0 { return [] }
        var buffer = [UInt8](repeating: 0, count: 4096)
        guard let count = try? buffer.withUnsafeMutableBytes({ try socket.read(into: $0) }), count > 0 else {
            return nil
        }
        buffer.removeLast(buffer.count - count)
        return buffer
    }
}
