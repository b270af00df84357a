/// A generator whose whole course follows from its seed, so that what failed once fails again.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. The bias is of no account here, and the standard library's way costs several times
    /// as much in a debug build.
    package mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: (next() >> 33) % UInt64(bound)) }

    package mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 56) }

    /// A byte that is 0xFF, which escaping is about, one time in four.
    package mutating func escapeHeavyByte() -> UInt8 { below(4) == 0 ? 0xFF : byte() }

    package mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }

    package mutating func escapeHeavyBytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in escapeHeavyByte() } }

    /// One of them.
    package mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }
}
