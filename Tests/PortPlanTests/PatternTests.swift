import PortPlan
import TestSupport
import Testing

@Suite struct PatternTests {
    @Test(arguments: [
        ("*", "", true), ("*", "anything", true), ("eth0", "eth0", true), ("eth0", "eth01", false),
        ("eth*", "eth12", true), ("eth*", "weth", false), ("*-com1", "MIO04-1-com1", true),
        ("*-com1", "MIO04-1-com12", false), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXbYbZ", false),
        ("MIO0?-*", "MIO04-1-com2", true), ("?", "", false), ("", "", true), ("", "x", false), ("**", "x", true),
    ])
    func matching(_ pattern: String, _ text: String, _ expected: Bool) {
        #expect(Pattern(pattern).matches(text) == expected)
    }

    /// A pattern made from a text by putting stars and question marks into it covers the text.
    @Test func madeFromTheText() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let text = (0..<random.below(12)).map { _ in random.pick(["a", "b"]) }
            var pattern = ""
            var index = 0
            while index < text.count {
                switch random.below(4) {
                case 0: (pattern, index) = (pattern + "*", index + random.below(text.count - index + 1))
                case 1: (pattern, index) = (pattern + "?", index + 1)
                default: (pattern, index) = (pattern + text[index], index + 1)
                }
            }
            #expect(Pattern(pattern).matches(text.joined()), "\(pattern) \(text.joined())")
        }
    }

    /// Stars that could match in very many ways end soon all the same.
    @Test func noExplosion() {
        let stars = String(repeating: "*a", count: 50)
        #expect(!Pattern(stars + "b").matches(String(repeating: "a", count: 2000)))
    }

    @Test func denyWins() {
        var list = AccessList()
        #expect(list.admits("x"))
        list.deny = [Pattern("lab-*")]
        #expect(list.admits("x") && !list.admits("lab-1"))
        list.allow = [Pattern("lab-1"), Pattern("MIO*")]
        #expect(!list.admits("lab-1") && list.admits("MIO04") && !list.admits("x"))
    }
}
