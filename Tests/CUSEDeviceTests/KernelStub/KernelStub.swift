import Glibc
import Platform
import SerialLine
import SystemPackage
import Testing

/// The kernel's end of a CUSE device, played over a socket: any thread may make requests, one thread takes the answers.
///
/// Concurrency model: what all threads share is in `state`; the socket takes and gives whole messages, so that sending
/// needs no lock.
final class KernelStub: Sendable {
    struct State {
        var lastUnique: UInt64 = 0
        /// Requests sent and not answered.
        var pending: Set<UInt64> = []
        var replies: [UInt64: FuseReply] = [:]
        /// Poll handles in the order they were notified.
        var notified: [UInt64] = []
        var requests = 0
        var answers = 0
        var isClosed = false
    }

    let state = Monitor(State())
    private let socket: Descriptor
    /// The caller, as in the message's header.
    let uid: UInt32

    /// - Returns: the stub, and the other end, to be the device's channel.
    static func make(uid: UInt32 = 0) throws -> (stub: KernelStub, channel: Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try syscall("socketpair") { socketpair(AF_UNIX, type, 0, &ends) }
        return (KernelStub(Descriptor(owning: ends[0]), uid), ends[1])
    }

    private init(_ socket: consuming Descriptor, _ uid: UInt32) {
        self.socket = socket
        self.uid = uid
    }

    /// Takes answers until the device is gone.
    func receiveAll() {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = buffer.withUnsafeMutableBytes { recv(socket.raw, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { break }
            take(Array(buffer[..<count]))
        }
        state.withLock { $0.isClosed = true }
        state.wakeAll()
    }

    private func take(_ bytes: [UInt8]) {
        guard let reply = FuseReply(bytes) else {
            Issue.record("a message of \(bytes.count) bytes that is none")
            return
        }
        if reply.unique == 0 {
            notify(reply)
        } else if reply.unique & 1 == 1 {
            again(reply)
        } else {
            let isAwaited = state.withLock { state -> Bool in
                state.answers += 1
                state.replies[reply.unique] = reply
                return state.pending.remove(reply.unique) != nil
            }
            if !isAwaited { Issue.record("request \(reply.unique) was answered, but not asked, or answered before") }
            // The kernel takes errors from 0 to -511 only, and would leave the request waiting.
            if reply.error > 0 || reply.error <= -512 { Issue.record("error \(reply.error)") }
        }
        state.wakeAll()
    }

    /// FUSE_NOTIFY_POLL: 1, and the handle.
    private func notify(_ reply: FuseReply) {
        guard reply.error == 1, reply.payload.count == 8 else {
            Issue.record("notification \(reply.error) of \(reply.payload.count) bytes")
            return
        }
        state.withLock { $0.notified.append(reply.payload.number(at: 0)) }
    }

    /// The answer to an INTERRUPT: EAGAIN, to say it again. The kernel does so while its request waits.
    private func again(_ reply: FuseReply) {
        let request = reply.unique & ~1
        if reply.error != -EAGAIN { Issue.record("an interrupt answered with \(reply.error)") }
        if state.withLock({ $0.pending.contains(request) }) { interrupt(request) }
    }

    // Asking.

    /// Numbers a request, which counts as asked from then on.
    func newRequest() -> UInt64 {
        state.withLock { state in
            state.lastUnique += 2
            state.pending.insert(state.lastUnique)
            state.requests += 1
            return state.lastUnique
        }
    }

    func send(_ opcode: FuseOpcode, _ unique: UInt64, _ payload: [UInt8]) {
        let bytes = FuseRequest(opcode: opcode, unique: unique, uid: uid, payload: payload).bytes
        let sent = bytes.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        // After `close` the request has no receiver.
        if sent != bytes.count && !state.withLock({ $0.isClosed }) { Issue.record("a request could not be sent") }
    }

    func start(_ opcode: FuseOpcode, _ payload: [UInt8]) -> UInt64 {
        let unique = newRequest()
        send(opcode, unique, payload)
        return unique
    }

    /// FUSE_INTERRUPT of a request, answered or not.
    func interrupt(_ unique: UInt64) { send(.interrupt, unique | 1, FusePayload.interrupt(unique)) }

    /// Waits for an answer. Without one in ten seconds, or with a device gone, the test has failed.
    func wait(_ unique: UInt64) -> FuseReply {
        let lost = FuseReply.lost(unique)
        state.wait(until: .now + .seconds(20)) { $0.replies[unique] != nil || $0.isClosed }
        guard let reply = state.withLock({ $0.replies.removeValue(forKey: unique) }) else {
            if !state.withLock({ $0.isClosed }) { Issue.record("request \(unique) is not answered") }
            return lost
        }
        return reply
    }

    func isPending(_ unique: UInt64) -> Bool { state.withLock { $0.pending.contains(unique) } }

    /// The kernel lets go of the device.
    func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
}

extension FuseReply {
    /// What stands for an answer that did not come.
    static func lost(_ unique: UInt64) -> FuseReply { FuseReply(unique: unique, error: -ECONNABORTED, payload: []) }

    private init(unique: UInt64, error: Int32, payload: [UInt8]) {
        self.unique = unique
        self.error = error
        self.payload = payload
    }
}
