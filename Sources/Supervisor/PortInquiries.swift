import Glibc
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemPackage

/// Requests to ports, carried out concurrently in the supervisor's poll loop. Each port gets one request at a time,
/// in order; the number of concurrent requests is limited, and further ones wait. A port that does not answer delays
/// its own requests for a second, and those of no other port.
///
/// Concurrency model: the supervisor's thread.
final class PortInquiries {
    /// A port's answer, or the error. Each request gets exactly one.
    struct Answer {
        let name: DeviceName
        /// The step that the order carries out; nil for a status request.
        let step: Step?
        /// The status, if it was requested; nil for a completed step.
        let result: Result<PortStatus?, PortControlError>
    }

    private struct Inquiry {
        let name: DeviceName
        let request: ControlRequest
        let step: Step?
    }

    private struct Running {
        let exchange: ControlExchange
        let step: Step?
    }

    /// Time before a connection is tried again after this process lacked a descriptor, in nanoseconds.
    private static let pause: UInt64 = .seconds(1)

    private let base: String
    private let timeout: UInt64
    private let most: Int
    /// Orders first: they are few, and change the state.
    private var orders: [Inquiry] = []
    private var questions: [Inquiry] = []
    private var running: [DeviceName: Running] = [:]
    private var answers: [Answer] = []
    private var notBefore: MonotonicTime?
    /// The reason why the last connection could not be made, if this process lacked a resource; otherwise nil.
    private(set) var shortage: Errno?

    /// - Parameters:
    ///   - most: most concurrent requests; each uses a descriptor.
    ///   - timeout: for one answer, in nanoseconds.
    init(in base: String = PortControl.base, most: Int = 64, timeout: UInt64 = .seconds(1)) {
        self.base = base
        self.most = max(1, most)
        self.timeout = timeout
    }

    /// Requests a port's status. Repeated requests before the port's turn count once.
    func askStatus(_ name: DeviceName, _ now: MonotonicTime) {
        guard !questions.contains(where: { $0.name == name }) else { return }
        questions.append(Inquiry(name: name, request: .status, step: nil))
        fill(now)
    }

    /// Sends an order that carries out `step`.
    func order(_ name: DeviceName, _ request: ControlRequest, for step: Step, _ now: MonotonicTime) {
        orders.append(Inquiry(name: name, request: request, step: step))
        fill(now)
    }

    /// Reads replies, gives up requests after their deadline, and sends the next ones.
    func advance(_ now: MonotonicTime) {
        for (name, one) in running {
            one.exchange.advance(now)
            guard let result = one.exchange.result else { continue }
            running[name] = nil
            answers.append(Self.answer(one, result))
        }
        if let notBefore, notBefore <= now { self.notBefore = nil }
        fill(now)
    }

    func takeAnswers() -> [Answer] {
        defer { answers.removeAll() }
        return answers
    }

    /// The descriptors to poll.
    var polls: [pollfd] {
        running.values.map { pollfd(fd: $0.exchange.raw, events: Int16(POLLIN), revents: 0) }
    }

    /// When `advance` must be called without an event of poll(2).
    var nextDeadline: MonotonicTime? {
        if !answers.isEmpty { return MonotonicTime(nanoseconds: 0) }
        return sooner(running.values.lazy.map(\.exchange.deadline).min(), notBefore)
    }

    private func fill(_ now: MonotonicTime) {
        fill(&orders, now)
        fill(&questions, now)
    }

    /// Sends the requests that may be sent now.
    private func fill(_ waiting: inout [Inquiry], _ now: MonotonicTime) {
        guard notBefore == nil, running.count < most else { return }
        var rest: [Inquiry] = []
        for inquiry in waiting {
            if notBefore == nil, running.count < most, running[inquiry.name] == nil,
                !rest.contains(where: { $0.name == inquiry.name })
            {
                if !begin(inquiry, now) { rest.append(inquiry) }
            } else {
                rest.append(inquiry)
            }
        }
        waiting = rest
    }

    /// - Returns: false if this process lacks a resource for it.
    private func begin(_ inquiry: Inquiry, _ now: MonotonicTime) -> Bool {
        do throws(Errno) {
            let exchange = try ControlExchange(inquiry.name, inquiry.request, in: base, timeout: timeout, now)
            shortage = nil
            let one = Running(exchange: exchange, step: inquiry.step)
            if let result = exchange.result {
                answers.append(Self.answer(one, result))
            } else {
                running[inquiry.name] = one
            }
            return true
        } catch {
            shortage = error
            notBefore = now + Self.pause
            return false
        }
    }

    private static func answer(_ one: Running, _ result: Result<[UInt8], PortControlError>) -> Answer {
        let name = one.exchange.name
        return Answer(
            name: name, step: one.step,
            result: Result { () throws(PortControlError) in
                let reply = try result.get()
                if one.exchange.request == .status { return try ControlExchange.status(name, reply) }
                try ControlExchange.check(name, reply)
                return nil
            })
    }
}
