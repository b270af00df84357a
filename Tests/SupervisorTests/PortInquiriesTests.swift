import Glibc
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemPackage
import Testing

@testable import Supervisor

/// Many ports at once, with real sockets.
@Suite struct PortInquiriesTests {
    private static func name(_ index: Int) throws -> DeviceName { try DeviceName("ttyX\(index)") }

    /// Serves the port of a listening socket once.
    private static func serve(_ listener: borrowing Descriptor, _ reply: String) throws {
        let client = Descriptor(owning: try syscall("accept") { accept(listener.raw, nil, nil) })
        var line = [UInt8](repeating: 0, count: 4096)
        _ = recv(client.raw, &line, line.count, 0)
        var reply = reply
        _ = reply.withUTF8 { send(client.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Lets time pass as the supervisor's loop does, until `ready`, or ten seconds have passed.
    private static func run(
        _ inquiries: PortInquiries, until ready: ([PortInquiries.Answer]) -> Bool
    ) throws -> [PortInquiries.Answer] {
        var answers: [PortInquiries.Answer] = []
        let end = MonotonicTime.now + .seconds(10)
        while !ready(answers), MonotonicTime.now < end {
            var polls = inquiries.polls
            let deadline = sooner(inquiries.nextDeadline, end)
            try waitForEvents(&polls, nanoseconds: deadline?.nanosecondsFromNow)
            inquiries.advance(.now)
            answers += inquiries.takeAnswers()
        }
        return answers
    }

    @Test func manySilentPortsHoldNoOtherUp() throws {
        let scratch = try Scratch()
        var silent: [Int32] = []
        defer { silent.forEach { close($0) } }
        for index in 0..<30 { silent.append(try scratch.listen(as: Self.name(index)).release()) }
        let lively = try Self.name(99)
        let listener = try scratch.listen(as: lively)
        let inquiries = PortInquiries(in: scratch.path)
        let began = MonotonicTime.now
        for index in 0..<30 { inquiries.askStatus(try Self.name(index), .now) }
        inquiries.askStatus(lively, .now)
        let asked = MonotonicTime.now.since(began)
        #expect(asked < .milliseconds(500), "asking does not wait")
        try Self.serve(listener, "name ttyX99\nreceived 7\nend\n")
        let first = try Self.run(inquiries) { !$0.isEmpty }
        #expect(first.count == 1 && first.first?.name == lively)
        #expect(try first.first?.result.get()?.received == 7)
        let rest = try Self.run(inquiries) { $0.count >= 30 }
        #expect(rest.count == 30 && MonotonicTime.now.since(began) < .seconds(3))
        #expect(rest.allSatisfy { if case .failure(.noAnswer) = $0.result { true } else { false } })
        #expect(inquiries.nextDeadline == nil && inquiries.polls.isEmpty)
    }

    @Test func noMoreAreAskedAtATimeThanAllowed() throws {
        let scratch = try Scratch()
        var silent: [Int32] = []
        defer { silent.forEach { close($0) } }
        let inquiries = PortInquiries(in: scratch.path, most: 3, timeout: .milliseconds(100))
        for index in 0..<10 {
            silent.append(try scratch.listen(as: Self.name(index)).release())
            inquiries.askStatus(try Self.name(index), .now)
        }
        #expect(inquiries.polls.count == 3)
        let answers = try Self.run(inquiries) { answers in
            #expect(inquiries.polls.count <= 3)
            return answers.count >= 10
        }
        #expect(Set(answers.map(\.name)).count == 10)
    }

    @Test func aPortIsAskedOneThingAtATimeInOrder() throws {
        let scratch = try Scratch()
        let name = try Self.name(1)
        let listener = try scratch.listen(as: name)
        let inquiries = PortInquiries(in: scratch.path)
        inquiries.askStatus(name, .now)
        inquiries.order(name, .retire, for: .retire(name), .now)
        inquiries.askStatus(name, .now)
        inquiries.askStatus(name, .now)
        #expect(inquiries.polls.count == 1)
        try Self.serve(listener, "name ttyX1\nend\n")
        var answers = try Self.run(inquiries) { !$0.isEmpty }
        #expect(answers.map(\.step) == [nil])
        // The order is before the question that waits.
        try Self.serve(listener, "ok\n")
        answers = try Self.run(inquiries) { !$0.isEmpty }
        #expect(answers.map(\.step) == [.retire(name)])
        try Self.serve(listener, "name ttyX1\nend\n")
        answers = try Self.run(inquiries) { !$0.isEmpty }
        #expect(answers.map(\.step) == [nil] && inquiries.polls.isEmpty)
    }

    @Test func eachHasOneAnswerWhateverThePortDoes() throws {
        let scratch = try Scratch()
        let name = try Self.name(1)
        let inquiries = PortInquiries(in: scratch.path)
        inquiries.askStatus(name, .now)
        var answers = try Self.run(inquiries) { !$0.isEmpty }
        #expect(throws: PortControlError.noSuchPort(name)) { try answers.first?.result.get() }
        let listener = try scratch.listen(as: name)
        for reply in ["", "garbage", String(repeating: "x", count: 100_000), "error it will not\n"] {
            inquiries.order(name, .keep, for: .keep(name), .now)
            try Self.serve(listener, reply)
            answers = try Self.run(inquiries) { !$0.isEmpty }
            #expect(answers.count == 1)
            #expect(throws: PortControlError.self) { try answers.first?.result.get() }
        }
    }

    /// A stopped port's queue is full at some time: connecting does not wait for it then.
    @Test func aFullQueueIsNoAnswer() throws {
        let scratch = try Scratch()
        let name = try Self.name(1)
        let listener = try scratch.listen(as: name, queue: 0)
        let began = MonotonicTime.now
        var last: Result<PortStatus?, PortControlError>?
        for _ in 0..<5 {
            let inquiries = PortInquiries(in: scratch.path, timeout: .milliseconds(10))
            inquiries.askStatus(name, .now)
            last = try Self.run(inquiries) { !$0.isEmpty }.first?.result
        }
        #expect(MonotonicTime.now.since(began) < .seconds(2))
        guard case .failure(.noAnswer) = last else {
            Issue.record("\(String(describing: last))")
            return
        }
        _ = listener.raw
    }
}
