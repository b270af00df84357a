import LineDiscipline
import TestSupport
import Testing

@Suite struct ByteRingTests {
    /// Random appends and moves against an array, for rings of all small sizes: the wrap falls everywhere.
    @Test(arguments: [1, 2, 3, 7, 8, 64]) func likeAnArray(_ capacity: Int) {
        var random = SplitMix64(seed: UInt64(capacity))
        var ring = ByteRing(capacity: capacity)
        var model: [UInt8] = []
        for step in 0..<20000 {
            switch random.below(50) {
            case 0:
                ring.removeAll()
                model.removeAll()
            case 1..<26:
                let bytes = random.bytes(random.below(capacity + 3))
                let start = random.below(bytes.count + 1)
                let taken = ring.append(bytes.span, from: start)
                let expected = min(bytes.count - start, capacity - model.count)
                model += bytes[start..<start + expected]
                guard taken == expected else {
                    Issue.record("step \(step): \(taken) taken, not \(expected)")
                    return
                }
            default:
                let limit = random.below(capacity + 2)
                var moved: [UInt8] = [0xEE]
                let count = ring.move(limit, to: &moved)
                let expected = model.prefix(limit)
                guard count == expected.count, moved == [0xEE] + expected else {
                    Issue.record("step \(step): moved \(moved), not \(expected)")
                    return
                }
                model.removeFirst(expected.count)
            }
            guard ring.count == model.count, ring.room == capacity - model.count, ring.isEmpty == model.isEmpty else {
                Issue.record("step \(step): counts differ")
                return
            }
        }
        #expect(ring.capacity == capacity)
    }
}
