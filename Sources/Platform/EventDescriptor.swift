import CLinux
import Glibc
import SystemPackage

/// An eventfd, with which any thread can wake a thread that polls it.
package struct EventDescriptor: ~Copyable, Sendable {
    private let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = Descriptor(
            owning: try syscall("eventfd") { eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)) })
    }

    package var raw: Int32 { descriptor.raw }

    /// Makes the descriptor readable.
    package func signal() { eventfd_write(raw, 1) }

    /// Makes it unreadable again.
    package func clear() {
        var count: eventfd_t = 0
        eventfd_read(raw, &count)
    }
}
