extension [UInt8] {
    /// Overwrites the bytes from `index` on; the range must be inside the array.
    mutating func replace(at index: Int, with bytes: borrowing Span<UInt8>) {
        guard bytes.count > 0 else { return }
        precondition(index + bytes.count <= count)
        // Safe: both ranges were checked, and the memory of an array and of a span borrowed at the same time differ.
        unsafe withUnsafeMutableBytes { destination in
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: destination[index...]).copyMemory(from: source)
            }
        }
    }
}
