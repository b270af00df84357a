import CLinux
import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// The client of one virtual COM port. Used on its port's thread only.
final class ClientConnection {
    let descriptor: Descriptor
    let address: String
    var server: ComPortServer
    /// Encoded bytes on their way to the client.
    var outgoing = ByteQueue(capacity: 16 * 1024)
    /// Bytes of data it has sent.
    var dataCount = 0
    /// It is not read from before this; nil: it is.
    var stalledUntil: MonotonicTime?
    var hasStalled = false
    /// It has been asked to hold its data.
    var isHeld = false
    /// It has closed its side; bytes it sent may still be unread. The port is free for the next client.
    var isLeaving = false
    /// When the next segment may be sent; nil: at once.
    private(set) var nextSend: MonotonicTime?
    /// Between small segments, so that they are not joined on their way, in nanoseconds.
    private static let segmentGap: UInt64 = .milliseconds(1)
    // Places in the whole stream to the client: what has been sent, and where data and answers last ended.
    private var sentCount = 0
    private var dataEnd = 0
    private var answersEnd = 0
    private let tracer: Tracer?

    init(_ accepted: consuming Accepted, _ server: ComPortServer, tracer: Tracer?) {
        accepted.setOptions()
        address = accepted.peer
        descriptor = accepted.takeDescriptor()
        self.server = server
        self.tracer = tracer
    }

    /// Reads what there is, `limit` bytes at most.
    /// - Returns: bytes read, 0 at the end; nil when there is nothing now.
    func receive(into buffer: inout [UInt8], limit: Int) throws(Errno) -> Int? {
        let count = min(limit, buffer.count)
        do {
            let got = try syscall("recv") {
                buffer.withUnsafeMutableBytes { recv(descriptor.raw, $0.baseAddress, count, 0) }
            }
            tracer?.trace(buffer.span.extracting(0..<got), isFromClient: true)
            return got
        } catch {
            guard error == .wouldBlock else { throw error }
            return nil
        }
    }

    /// Bytes that have come and are not read yet.
    var waitingBytes: Int {
        var count: Int32 = 0
        return clinux_ioctl_pointer(descriptor.raw, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Sends what the socket takes.
    /// - Returns: bytes sent.
    func send(now: MonotonicTime) throws(Errno) -> Int {
        var total = 0
        while !outgoing.isEmpty, (nextSend ?? now) <= now {
            let splits = splitsAnswers()
            guard let sent = try sendSome(splits ? server.profile.segmentSize : outgoing.count) else { break }
            outgoing.withFront(sent) { bytes in tracer?.trace(bytes, isFromClient: false) }
            outgoing.drop(sent)
            sentCount += sent
            total += sent
            nextSend = splits && !outgoing.isEmpty ? now + Self.segmentGap : nil
        }
        return total
    }

    /// Puts bytes from the line into the connection's framing.
    func encode(_ bytes: borrowing Span<UInt8>) {
        if sentCount + outgoing.count > dataEnd { answersEnd = sentCount + outgoing.count }
        server.appendData(bytes, &outgoing.storage)
        dataEnd = sentCount + outgoing.count
    }

    /// Is the next byte one to be sent in small segments: no later than the last answer there is?
    private func splitsAnswers() -> Bool {
        guard server.profile.segmentSize > 0 else { return false }
        if sentCount + outgoing.count > dataEnd { answersEnd = sentCount + outgoing.count }
        return sentCount < answersEnd
    }

    /// Sends up to `limit` bytes; nil when the socket takes none now.
    private func sendSome(_ limit: Int) throws(Errno) -> Int? {
        let result = outgoing.withFront(limit) { bytes in
            bytes.withUnsafeBytes { raw in
                Result { () throws(Errno) in
                    try syscall("send") { Glibc.send(descriptor.raw, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL)) }
                }
            }
        }
        if case .failure(.wouldBlock) = result { return nil }
        return try result.get()
    }
}
