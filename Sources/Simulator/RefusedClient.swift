import Glibc
import Platform
import SerialLine
import SystemPackage

/// A client that was turned away. Its connection stays half open for a moment: closed at once with bytes of the client
/// unread, it would be reset, which can overtake the text that tells the reason.
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

    /// Throws away what it sends.
    /// - Returns: whether it has closed its side too, or has had its time.
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
