import TestSupport

/// The choices of one schedule: drawn from a seed and recorded, or played back. A choice that is missing is the first
/// alternative, so that any piece can be cut out of a recording.
struct Tape {
    private(set) var choices: [UInt32] = []
    private var position = 0
    private var random: SplitMix64?

    /// Records choices that follow from the seed.
    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    init(replaying choices: [UInt32]) { self.choices = choices }

    /// - Returns: 0 to `bound` - 1.
    mutating func below(_ bound: Int) -> Int {
        if random != nil {
            let choice = random?.below(bound) ?? 0
            choices.append(UInt32(choice))
            return choice
        }
        defer { position += 1 }
        return position < choices.count ? Int(choices[position]) % bound : 0
    }

    mutating func chance(_ one: Int, in all: Int) -> Bool { below(all) >= all - one }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// Finds a shorter recording that fails as well: cuts out pieces, then makes choices the first alternative.
func shrink(_ choices: [UInt32], fails: ([UInt32]) -> Bool) -> [UInt32] {
    var best = choices
    var size = max(best.count / 2, 1)
    while size >= 1 {
        var start = 0
        while start < best.count {
            var shorter = best
            shorter.removeSubrange(start..<min(start + size, best.count))
            if fails(shorter) { best = shorter } else { start += size }
        }
        if size == 1 { break }
        size /= 2
    }
    for index in best.indices where best[index] != 0 {
        var simpler = best
        simpler[index] = 0
        if fails(simpler) { best = simpler }
    }
    return best
}
