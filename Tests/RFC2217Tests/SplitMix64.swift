/// A generator whose whole course follows from its seed, so that what failed once fails again.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. The bias is of no account here, and the standard library's way costs several times
    /// as much in a debug build.
    mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: (next() >> 33) % UInt64(bound)) }

    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 56) }

    /// A byte that is 0xFF, which escaping is about, one time in four.
    mutating func escapeHeavyByte() -> UInt8 { below(4) == 0 ? 0xFF : byte() }

    mutating func escapeHeavyBytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in escapeHeavyByte() } }
}
