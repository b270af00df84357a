import RFC2217
import SerialLine
import TestSupport
import Testing

@Suite struct OptionNegotiationTests {
    private let vendor = TelnetOption(rawValue: 200)

    private func client() -> OptionNegotiation {
        OptionNegotiation(offered: [.comPort, .binary], accepted: [.binary, .suppressGoAhead])
    }

    /// The answer to one verb.
    private func answer(
        _ negotiation: inout OptionNegotiation, _ verb: TelnetVerb, _ option: TelnetOption
    ) -> [UInt8] {
        var output: [UInt8] = []
        negotiation.receive(verb, option, &output)
        return output
    }

    @Test func offering() {
        var negotiation = client()
        var output: [UInt8] = []
        negotiation.offer(.comPort, &output)
        negotiation.offer(.comPort, &output)
        #expect(output == wire("FF FB 2C | IAC WILL COM-PORT-OPTION, once"))
        #expect(negotiation.weAsked(.comPort) && !negotiation.weDo(.comPort))
        #expect(answer(&negotiation, .do, .comPort) == [])
        #expect(negotiation.weDo(.comPort) && !negotiation.weAsked(.comPort) && !negotiation.theyDo(.comPort))
        negotiation.offer(.comPort, &output)
        #expect(output.count == 3)
    }

    @Test func asking() {
        var negotiation = client()
        var output: [UInt8] = []
        negotiation.ask(.suppressGoAhead, &output)
        negotiation.ask(.suppressGoAhead, &output)
        #expect(output == wire("FF FD 03 | IAC DO SUPPRESS-GO-AHEAD, once"))
        #expect(answer(&negotiation, .will, .suppressGoAhead) == [])
        #expect(negotiation.theyDo(.suppressGoAhead) && !negotiation.weDo(.suppressGoAhead))
    }

    @Test func refusals() {
        var negotiation = client()
        var output: [UInt8] = []
        negotiation.offer(.comPort, &output)
        negotiation.ask(.binary, &output)
        #expect(answer(&negotiation, .dont, .comPort) == [])
        #expect(answer(&negotiation, .wont, .binary) == [])
        #expect(!negotiation.weDo(.comPort) && !negotiation.weAsked(.comPort) && !negotiation.theyDo(.binary))
        // Refused is not forbidden: it can be offered again.
        output.removeAll()
        negotiation.offer(.comPort, &output)
        #expect(output == wire("FF FB 2C"))
    }

    @Test func unasked() {
        var negotiation = client()
        #expect(answer(&negotiation, .do, .binary) == wire("FF FB 00 | WILL"))
        #expect(answer(&negotiation, .will, .binary) == wire("FF FD 00 | DO"))
        #expect(negotiation.weDo(.binary) && negotiation.theyDo(.binary))
        #expect(answer(&negotiation, .dont, .binary) == wire("FF FC 00 | WONT"))
        #expect(answer(&negotiation, .wont, .binary) == wire("FF FE 00 | DONT"))
        #expect(!negotiation.weDo(.binary) && !negotiation.theyDo(.binary))
    }

    /// The two directions of an option are agreed apart.
    @Test func onlyOneDirection() {
        var negotiation = client()
        #expect(answer(&negotiation, .will, .comPort) == wire("FF FE 2C | DONT: offered, but not accepted"))
        #expect(answer(&negotiation, .do, .suppressGoAhead) == wire("FF FC 03 | WONT: accepted, but not offered"))
        #expect(!negotiation.theyDo(.comPort) && !negotiation.weDo(.suppressGoAhead))
    }

    @Test func unknownOptions() {
        var negotiation = client()
        #expect(answer(&negotiation, .will, vendor) == wire("FF FE C8 | DONT"))
        #expect(answer(&negotiation, .do, vendor) == wire("FF FC C8 | WONT"))
        #expect(answer(&negotiation, .wont, vendor) == [])
        #expect(answer(&negotiation, .dont, vendor) == [])
        #expect(!negotiation.weDo(vendor) && !negotiation.theyDo(vendor) && !negotiation.weAsked(vendor))
    }

    /// Servers repeat DO after WILL (ser2net), or answer every WILL anew (Moxa): nothing is said twice.
    @Test func repeatedOffers() {
        var negotiation = client()
        var output: [UInt8] = []
        negotiation.offer(.comPort, &output)
        var replies: [UInt8] = []
        for _ in 0..<100 {
            negotiation.receive(.do, .comPort, &replies)
            negotiation.receive(.will, .binary, &replies)
            negotiation.receive(.do, .binary, &replies)
        }
        #expect(replies == wire("FF FD 00 | DO BINARY\nFF FB 00 | WILL BINARY"))
    }

    /// A peer with no state that answers each verb in kind, and one that contradicts it.
    @Test(arguments: [true, false]) func peersWithoutState(_ agrees: Bool) {
        var negotiation = client()
        var output: [UInt8] = []
        negotiation.offer(.comPort, &output)
        negotiation.offer(.binary, &output)
        negotiation.ask(.binary, &output)
        negotiation.ask(.suppressGoAhead, &output)
        var rounds = 0
        while !output.isEmpty && rounds < 10 {
            rounds += 1
            let elements = StreamReader.elements(of: [output]).elements
            output.removeAll()
            for case .negotiation(let verb, let option) in elements {
                let isOurs = verb == .will || verb == .wont
                let on = (verb == .will || verb == .do) == agrees
                negotiation.receive(isOurs ? (on ? .do : .dont) : (on ? .will : .wont), option, &output)
            }
        }
        #expect(rounds <= 2)
        #expect(negotiation.weDo(.comPort) == agrees)
    }

    static let options: [TelnetOption] = [.binary, .echo, .suppressGoAhead, .comPort, TelnetOption(rawValue: 200)]

    /// Two whole negotiations over byte streams that arrive in pieces, each offering and asking at random: silence
    /// follows, both know the same, and nothing is left open.
    @Test(arguments: 0..<200 as Range<UInt64>) func twoPeersSettle(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func some() -> [TelnetOption] { Self.options.filter { _ in random.below(2) == 0 } }
        let offered = [some(), some()]
        let accepted = [some(), some()]
        var ends = (0...1).map { OptionNegotiation(offered: Set(offered[$0]), accepted: Set(accepted[$0])) }
        var decoders = [TelnetDecoder(), TelnetDecoder()]
        var inboxes: [[UInt8]] = [[], []]
        var requestsLeft = 20
        var turns = 0
        while (requestsLeft > 0 || inboxes != [[], []]) && turns < 10_000 {
            turns += 1
            let end = random.below(2)
            if requestsLeft > 0 && random.below(4) == 0 {
                requestsLeft -= 1
                // An end offers, and asks for, only what it would also agree to.
                if let option = offered[end].randomElement(using: &random) {
                    ends[end].offer(option, &inboxes[1 - end])
                }
                if let option = accepted[end].randomElement(using: &random) {
                    ends[end].ask(option, &inboxes[1 - end])
                }
                continue
            }
            let piece = Array(inboxes[end].prefix(1 + random.below(5)))
            inboxes[end].removeFirst(piece.count)
            var offset = 0
            while let element = decoders[end].next(piece.span, &offset) {
                guard case .negotiation(let verb, let option) = element else { continue }
                ends[end].receive(verb, option, &inboxes[1 - end])
            }
        }
        #expect(inboxes == [[], []] && turns < 10_000, "seed \(seed)")
        for option in Self.options {
            #expect(ends[0].weDo(option) == ends[1].theyDo(option), "seed \(seed), \(option)")
            #expect(ends[1].weDo(option) == ends[0].theyDo(option), "seed \(seed), \(option)")
            #expect(!ends[0].weAsked(option) && !ends[1].weAsked(option), "seed \(seed), \(option)")
        }
    }

    /// Whatever verbs arrive, each is answered once at most: a loop would be all the peer's own.
    @Test(arguments: 0..<20 as Range<UInt64>) func oneAnswerAtMost(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var negotiation = client()
        for _ in 0..<2_000 {
            let verb = TelnetVerb(rawValue: UInt8(251 + random.below(4))) ?? .do
            let option = Self.options[random.below(Self.options.count)]
            let reply = answer(&negotiation, verb, option)
            #expect(reply.isEmpty || reply.count == 3, "seed \(seed)")
            guard random.below(8) == 0 else { continue }
            var asked: [UInt8] = []
            negotiation.offer(.comPort, &asked)
            negotiation.ask(.binary, &asked)
        }
    }
}
