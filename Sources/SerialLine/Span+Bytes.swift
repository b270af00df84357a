import Glibc

extension Span where Element == UInt8 {
    /// The first index of `byte` at or after `start`; nil otherwise.
    package func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        guard start < count else { return nil }
        // Safe: start < count, so base + start is inside; memchr reads count - start bytes at most,
        // and its result lies inside the same buffer.
        return unsafe withUnsafeBytes { raw -> Int? in
            guard let base = raw.baseAddress,
                let found = unsafe memchr(base + start, Int32(byte), raw.count - start)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }
}

extension [UInt8] {
    /// Appends a range of a span's bytes.
    package mutating func append(contentsOf bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        // Safe: the pointer is used inside the closure only, and covers just the bytes extracted.
        unsafe bytes.extracting(range).withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
