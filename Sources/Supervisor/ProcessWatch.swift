import CLinux
import Glibc
import Platform
import SerialLine

/// Notices the end of ports' processes, whoever their parent is: a pidfd each.
struct ProcessWatch: ~Copyable {
    private final class Handle {
        let id: pid_t
        let descriptor: Descriptor

        init(_ id: pid_t, _ descriptor: consuming Descriptor) {
            self.id = id
            self.descriptor = descriptor
        }
    }

    private var handles: [DeviceName: Handle] = [:]

    init() {}

    /// Watches a port's process instead of the one before.
    /// - Returns: is it alive?
    mutating func watch(_ name: DeviceName, _ id: pid_t) -> Bool {
        guard handles[name]?.id != id else { return true }
        let raw = clinux_pidfd_open(id)
        guard raw >= 0 else { return false }
        handles[name] = Handle(id, Descriptor(owning: raw))
        return true
    }

    mutating func forget(_ name: DeviceName) { handles[name] = nil }

    func id(of name: DeviceName) -> pid_t? { handles[name]?.id }

    /// To be polled, in the order of `names`.
    func polls() -> (names: [DeviceName], polls: [pollfd]) {
        let entries = Array(handles)
        return (
            entries.map(\.key), entries.map { pollfd(fd: $0.value.descriptor.raw, events: Int16(POLLIN), revents: 0) }
        )
    }
}
