import SerialLine
import Testing

@Suite struct SpanTests {
    private let bytes: [UInt8] = [7, 1, 7, 2, 7]

    @Test func firstIndex() {
        let found = (0...5).map { bytes.span.firstIndex(of: 7, from: $0) }
        #expect(found == [0, 2, 2, 4, 4, nil])
        #expect(bytes.span.firstIndex(of: 9, from: 0) == nil)
        // Past the end, and in nothing.
        #expect(bytes.span.firstIndex(of: 7, from: 6) == nil)
        #expect([UInt8]().span.firstIndex(of: 7, from: 0) == nil)
    }

    /// Bytes outside the span are not looked at, though they lie beside it.
    @Test func firstIndexStaysInside() {
        #expect(bytes.span.extracting(0..<2).firstIndex(of: 2, from: 0) == nil)
        #expect(bytes.span.extracting(1..<4).firstIndex(of: 7, from: 0) == 1)
    }

    @Test func appending() {
        var copy: [UInt8] = [0]
        copy.append(contentsOf: bytes.span, 1..<4)
        copy.append(contentsOf: bytes.span, 2..<2)
        copy.append(contentsOf: bytes.span, 4..<5)
        #expect(copy == [0, 1, 7, 2, 7])
    }
}
