/// The memory of the program that calls: one stretch of it can be touched, all else is a fault.
struct UserMemory {
    static let base: UInt64 = 0x7F00_0000_1000
    private(set) var bytes: [UInt8]

    /// - Parameter bytes: what lies at `base`.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// What lies there; nil for a bad address.
    func read(_ address: UInt64, _ count: Int) -> [UInt8]? { range(address, count).map { Array(bytes[$0]) } }

    /// - Returns: false for a bad address.
    mutating func write(_ address: UInt64, _ new: [UInt8]) -> Bool {
        guard let range = range(address, new.count) else { return false }
        bytes.replaceSubrange(range, with: new)
        return true
    }

    private func range(_ address: UInt64, _ count: Int) -> Range<Int>? {
        guard address >= Self.base, address - Self.base <= UInt64(bytes.count) else { return nil }
        let start = Int(address - Self.base)
        return start + count <= bytes.count ? start..<start + count : nil
    }
}
