import Glibc
import Platform
import PortPlan
import SerialLine
import SystemPackage

/// Sends orders to the starter, one after the other, without blocking: a part of its owner's poll loop.
///
/// Concurrency model: the supervisor's thread.
final class StarterClient {
    /// The reason why an order was not carried out, in one line.
    struct Fault: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// Receives the starter's note, or an error; called exactly once, in `submit` or in `advance`.
    typealias Answered = (Result<String, Fault>) -> Void

    /// The current order, after it was sent.
    private final class Exchange {
        let socket: Descriptor
        var answer: [UInt8] = []

        init(_ socket: consuming Descriptor) { self.socket = socket }
    }

    /// Most orders that wait; each port has a few at most.
    private static let mostWaiting = 8192
    /// Interval of attempts while the starter's queue is full, in nanoseconds.
    private static let pause: UInt64 = .milliseconds(20)

    private let path: String
    private let timeout: UInt64
    private var queue: [(order: StartOrder, answered: Answered)] = []
    private var exchange: Exchange?
    /// When the current order is given up, and when the next attempt to connect is made.
    private var deadline: MonotonicTime?
    private var nextTry: MonotonicTime?

    /// - Parameter timeout: for one order, in nanoseconds.
    init(_ path: String = StartOrder.socket, timeout: UInt64 = .seconds(10)) {
        self.path = path
        self.timeout = timeout
    }

    /// Whether there are orders without an answer.
    var isBusy: Bool { !queue.isEmpty }

    func submit(_ order: StartOrder, answered: @escaping Answered = { _ in }) {
        guard queue.count < Self.mostWaiting else {
            return answered(.failure(Fault(description: "\(queue.count) orders are already waiting for the starter")))
        }
        queue.append((order, answered))
        advance(.now)
    }

    /// The descriptors to poll.
    var polls: [pollfd] {
        guard let socket = exchange?.socket.raw else { return [] }
        return [pollfd(fd: socket, events: Int16(POLLIN), revents: 0)]
    }

    /// When `advance` must be called without an event of poll(2).
    var nextDeadline: MonotonicTime? { exchange == nil ? nextTry : deadline }

    /// Continues its work, without blocking.
    func advance(_ now: MonotonicTime) {
        while let order = queue.first?.order {
            let deadline = self.deadline ?? now + timeout
            self.deadline = deadline
            guard deadline > now else {
                finish(.failure(Fault(description: "the starter does not answer: see journalctl -u ttynvt-starter")))
                continue
            }
            do throws(Errno) {
                if exchange == nil {
                    if let nextTry, nextTry > now { return }
                    exchange = Exchange(try send(order))
                }
                guard let answer = try receive() else { return }
                finish(answer)
            } catch .resourceTemporarilyUnavailable {
                nextTry = now + Self.pause
                return
            } catch {
                finish(
                    .failure(
                        Fault(
                            description:
                                "cannot reach the starter at \(path): \(error); systemctl start ttynvt-starter.socket"
                        )))
            }
        }
    }

    private func finish(_ result: Result<String, Fault>) {
        exchange = nil
        deadline = nil
        nextTry = nil
        queue.removeFirst().answered(result)
    }

    /// Connects and sends: an order fits into a new socket's buffer.
    private func send(_ order: StartOrder) throws(Errno) -> Descriptor {
        guard let address = UnixAddress(path) else { throw .fileNameTooLong }
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, flags, 0) })
        try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
        let line = order.line
        let count = try syscall("send") {
            line.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
        guard count == line.count else { throw .messageTooLong }
        return socket
    }

    /// - Returns: the answer; nil if it is incomplete.
    private func receive() throws(Errno) -> Result<String, Fault>? {
        guard let exchange else { return nil }
        var chunk = [UInt8](repeating: 0, count: StartOrder.longestAnswer)
        while true {
            let count: Int
            do throws(Errno) {
                count = try syscall("recv") {
                    chunk.withUnsafeMutableBytes {
                        recv(exchange.socket.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
                    }
                }
            } catch .resourceTemporarilyUnavailable { return nil }
            exchange.answer += chunk[..<count]
            if let end = exchange.answer.firstIndex(of: UInt8(ascii: "\n")) {
                return Self.result(exchange.answer[..<end])
            }
            if count == 0 || exchange.answer.count >= StartOrder.longestAnswer { return Self.result([]) }
        }
    }

    private static func result(_ line: ArraySlice<UInt8>) -> Result<String, Fault> {
        switch StartAnswer(line: String(decoding: line, as: UTF8.self).singleLine) {
        case .done(let note)?: .success(note)
        case .refused(let why)?: .failure(Fault(description: why))
        case nil: .failure(Fault(description: "the starter ended without an answer: see journalctl -u ttynvt-starter"))
        }
    }
}
