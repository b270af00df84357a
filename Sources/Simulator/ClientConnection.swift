import CLinux
import Glibc
import Platform
import RFC2217
import SerialLine
import SystemPackage

/// The client of one virtual COM port. Only its port's thread uses it.
final class ClientConnection {
    let descriptor: Descriptor
    let address: String
    var server: ComPortServer
    /// Encoded bytes on their way to the client.
    var outgoing = ByteQueue(capacity: 16 * 1024)
    /// Bytes of data that it has sent.
    var dataCount = 0
    /// No data is read from it before this moment; nil: it is read.
    var stalledUntil: MonotonicTime?
    var hasStalled = false
    /// It was asked to stop sending data.
    var isHeld = false
    /// It has closed its side; bytes that it sent may still be unread. The port may accept the next client.
    var isLeaving = false
    /// When the next segment may be sent; nil: at once.
    private(set) var nextSend: MonotonicTime?
    /// Pause between small segments, so that they are not merged on the way, in nanoseconds.
    private static let segmentGap: UInt64 = .milliseconds(1)
    // Positions in the stream to the client: the end of the sent bytes, of the last data, and of the last answer.
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

    /// Reads available bytes, `limit` at most.
    /// - Returns: bytes read; 0 at the end; nil if no byte is available.
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

    /// Bytes received and not read yet.
    var waitingBytes: Int {
        var count: Int32 = 0
        return clinux_ioctl_pointer(descriptor.raw, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Sends the bytes that the socket takes.
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

    /// Appends bytes from the line, in the connection's framing.
    func encode(_ bytes: borrowing Span<UInt8>) {
        if sentCount + outgoing.count > dataEnd { answersEnd = sentCount + outgoing.count }
        server.appendData(bytes, &outgoing.storage)
        dataEnd = sentCount + outgoing.count
    }

    /// Whether the next byte must be sent in small segments, because it is not behind the last answer.
    private func splitsAnswers() -> Bool {
        guard server.profile.segmentSize > 0 else { return false }
        if sentCount + outgoing.count > dataEnd { answersEnd = sentCount + outgoing.count }
        return sentCount < answersEnd
    }

    /// Sends up to `limit` bytes; nil if the socket takes none now.
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
