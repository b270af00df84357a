import Discovery
import TestSupport
import Testing

struct FairSharesTests {
    @Test func oneMayHaveAllUntilAnotherWantsSome() {
        var shares = FairShares<Int>(limit: 4)
        for number in 0..<4 { #expect(shares.admit(number, to: 1) == .taken) }
        #expect(shares.admit(4, to: 1) == .refused)
        #expect(shares.admit(0, to: 1) == .taken)
        #expect(shares.admit(10, to: 2) == .inPlaceOf(3, interface: 1))
        #expect(shares.admit(11, to: 2) == .inPlaceOf(2, interface: 1))
        #expect(shares.admit(12, to: 2) == .refused)
        #expect(shares.admit(2, to: 1) == .refused)
        shares.remove(10, from: 2)
        shares.remove(10, from: 2)
        #expect(shares.count == 3 && shares.count(of: 2) == 1)
        #expect(shares.admit(2, to: 1) == .taken)
        #expect(shares.admit(20, to: 3) == .inPlaceOf(2, interface: 1))
    }

    /// An interface never loses a place while it has at most its equal share, and gets one while it has fewer.
    @Test func randomFloods() {
        var random = SplitMix64(seed: 2)
        for _ in 0..<300 {
            let interfaces = Int32(2 + random.next() % 4)
            let limit = Int(interfaces) * Int(1 + random.next() % 4)
            var shares = FairShares<Int>(limit: limit)
            var counts: [Int32: Int] = [:]
            for number in 0..<200 {
                // The first interface floods.
                let interface = random.next() % 2 == 0 ? 1 : 1 + Int32(random.next() % UInt64(interfaces))
                let mine = counts[interface, default: 0]
                switch shares.admit(number, to: interface) {
                case .taken: counts[interface] = mine + 1
                case .refused: #expect(mine >= limit / Int(interfaces))
                case .inPlaceOf(let loser, let other):
                    #expect(loser < number)
                    #expect(counts[other, default: 0] > limit / Int(interfaces))
                    counts[other, default: 0] -= 1
                    counts[interface] = mine + 1
                    // It still has as many: two do not take from each other by turns.
                    #expect(counts[other, default: 0] >= mine + 1)
                }
                #expect(shares.count == counts.values.reduce(0, +) && shares.count <= limit)
            }
        }
    }
}
