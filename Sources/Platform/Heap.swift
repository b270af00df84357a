import CLinux

/// The C library's memory.
package enum Heap {
    /// Makes all threads share one heap. The C library's heap for each thread costs a small process memory and start time.
    /// Must be called before the first thread starts.
    package static func share() { clinux_one_heap() }
}
