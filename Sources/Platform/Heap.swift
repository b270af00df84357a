import CLinux

/// The C library's memory.
package enum Heap {
    /// All threads share one heap. One for each thread, as the C library makes them, costs a small process memory and time
    /// to start. To be called before there are any threads.
    package static func share() { clinux_one_heap() }
}
