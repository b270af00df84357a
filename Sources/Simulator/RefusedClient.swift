import Glibc
import Platform
import SerialLine
import SystemPackage

/// A refused client. Its connection remains half open for a moment: if it were closed at once with unread bytes of
/// the client, it would be reset, and the reset can overtake the text with the reason.
final class RefusedClient {
    private let descriptor: Descriptor
    let deadline: MonotonicTime
    var place: PollSet.Place?

    private static let patience: UInt64 = .seconds(1)

    init(_ accepted: consuming Accepted, _ reason: String, now: MonotonicTime) {
        descriptor = accepted.takeDescriptor()
        deadline = now + Self.patience
        let text = Array(reason.utf8)
        text.withUnsafeBytes { _ = send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        shutdown(descriptor.raw, Int32(SHUT_WR))
    }

    func addEvents(to polls: inout PollSet) { place = polls.add(descriptor.raw, POLLIN) }

    /// Drops the bytes that it sends.
    /// - Returns: whether it has closed its side too, or its time is over.
    func isDone(_ polls: PollSet, _ buffer: inout [UInt8], now: MonotonicTime) -> Bool {
        if now >= deadline { return true }
        guard polls.events(place) != 0 else { return false }
        do {
            return try descriptor.read(into: &buffer, limit: buffer.count) == 0
        } catch {
            return error != .wouldBlock
        }
    }
}
