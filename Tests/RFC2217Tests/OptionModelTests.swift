import RFC2217
import TestSupport
import Testing

/// Two Q-method peers and one option, the messages between them, and the remaining events.
private struct OptionModel {
    /// The end that would do the option, and the end that would let it.
    var sides = [OptionSide(), OptionSide()]
    /// Messages on their way to each end, oldest first; true is WILL or DO.
    var inboxes: [[Bool]] = [[], []]
    let willing: [Bool]
    /// Requests that may still be made, by either end and in either sense.
    var requestsLeft: Int
    var sent = 0

    mutating func request(_ end: Int, _ on: Bool) {
        requestsLeft -= 1
        send(sides[end].request(on), from: end)
    }

    mutating func deliver(to end: Int) {
        let isOn = inboxes[end].removeFirst()
        send(isOn ? sides[end].receivedOn(willing: willing[end]) : sides[end].receivedOff(), from: end)
    }

    private mutating func send(_ reply: OptionSide.Reply, from end: Int) {
        guard reply != .none else { return }
        inboxes[1 - end].append(reply == .agree)
        sent += 1
    }

    /// Everything that can happen next.
    var successors: [OptionModel] {
        var successors: [OptionModel] = []
        for end in 0...1 {
            if !inboxes[end].isEmpty {
                var next = self
                next.deliver(to: end)
                successors.append(next)
            }
            guard requestsLeft > 0 else { continue }
            for on in [true, false] {
                var next = self
                next.request(end, on)
                successors.append(next)
            }
        }
        return successors
    }

    /// All that the future depends on, so that no state is looked at twice.
    var key: UInt64 {
        var key = UInt64(requestsLeft) << 6 | UInt64(sent)
        for end in 0...1 {
            let state: UInt64 =
                switch sides[end].state {
                case .no: 0
                case .yes: 1
                case .wantNo(opposite: let opposite): opposite ? 3 : 2
                case .wantYes(opposite: let opposite): opposite ? 5 : 4
                }
            // A leading 1, so that the length of the inbox is part of the key.
            precondition(inboxes[end].count <= 12)
            key = key << 16 | inboxes[end].reduce(1) { $0 << 1 | ($1 ? 1 : 0) } << 3 | state
        }
        return key
    }
}

@Suite struct OptionModelTests {
    static let requests = 24

    /// Every order of 24 requests and of the resulting messages: the exchange ends, both ends agree, no question is
    /// open, and each request causes at most two messages.
    @Test(arguments: [true, false], [true, false]) func alwaysSettles(_ firstWilling: Bool, _ secondWilling: Bool) {
        var open = [OptionModel(willing: [firstWilling, secondWilling], requestsLeft: Self.requests)]
        var seen: Set<UInt64> = []
        var settled = 0
        while let model = open.popLast() {
            guard seen.insert(model.key).inserted else { continue }
            // Beyond this a loop is certain; without the bound the search itself would not end.
            guard model.sent <= 2 * (Self.requests - model.requestsLeft) else {
                Issue.record("\(model.sent) messages: \(model)")
                return
            }
            open += model.successors
            guard model.inboxes == [[], []] else { continue }
            settled += 1
            guard model.sides.allSatisfy({ !$0.isAsked }), model.sides[0].isOn == model.sides[1].isOn else {
                Issue.record("rests unsettled: \(model)")
                return
            }
        }
        // The search must have been one: a model that does nothing rests in a handful of states.
        #expect(settled > 20 && seen.count > 1_000, "\(settled) settled of \(seen.count)")
    }

    /// One end asks, again and again and without waiting for answers; a willing peer has the option as asked last.
    @Test(arguments: [0, 1], [true, false]) func theLastRequestDecides(_ end: Int, _ last: Bool) {
        var random = SplitMix64(seed: 1143)
        for turn in 0..<500 {
            var model = OptionModel(willing: [true, true], requestsLeft: 9)
            for request in 0..<9 {
                model.request(end, request == 8 ? last : random.below(2) == 0)
                for other in 0...1 where !model.inboxes[other].isEmpty && random.below(2) == 0 {
                    model.deliver(to: other)
                }
            }
            for _ in 0..<100 {
                guard let other = model.inboxes.firstIndex(where: { !$0.isEmpty }) else { break }
                model.deliver(to: other)
            }
            #expect(model.inboxes == [[], []] && model.sides.map(\.isOn) == [last, last], "turn \(turn): \(model)")
        }
    }
}
