import CLinux

/// The C library's heap.
package enum Heap {
    /// Makes all threads share one heap. The C library's default, a heap for each thread, needs more memory, and more
    /// time at the start. Must be called before the first thread starts.
    package static func share() { clinux_one_heap() }
}
