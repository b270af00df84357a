import CLinux

/// The C library's heap.
package enum Heap {
    /// Makes all threads share one heap. A heap for each thread, the C library's default, costs a small process
    /// memory and start time. Must be called before the first thread starts.
    package static func share() { clinux_one_heap() }
}
