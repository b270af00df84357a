import CLinux
import Glibc
import Platform
import SerialLine
import SystemPackage

/// Detects the end of ports' processes, children or not, by a pidfd for each.
struct ProcessWatch: ~Copyable {
    /// The result of `watch`.
    enum Outcome: Equatable {
        case watched
        /// The process does not exist.
        case gone
        /// This process lacks a resource for it; the port's process may be running.
        case shortage(Errno)
    }

    private final class Handle {
        let id: pid_t
        let descriptor: Descriptor

        init(_ id: pid_t, _ descriptor: consuming Descriptor) {
            self.id = id
            self.descriptor = descriptor
        }
    }

    private var handles: [DeviceName: Handle] = [:]
    private let most: Int

    /// - Parameter most: most processes watched at a time; the other descriptors are for other purposes.
    init(most: Int = .max) { self.most = most }

    /// Watches a port's process, in place of an earlier process of the port.
    mutating func watch(_ name: DeviceName, _ id: pid_t) -> Outcome {
        guard handles[name]?.id != id else { return .watched }
        handles[name] = nil
        guard handles.count < most else { return .shortage(.tooManyOpenFiles) }
        do throws(Errno) {
            handles[name] = Handle(id, Descriptor(owning: try syscall("pidfd_open") { clinux_pidfd_open(id) }))
            return .watched
        } catch {
            // An impossible process ID shows that the port has reported a wrong one.
            return error == .noSuchProcess || error == .invalidArgument ? .gone : .shortage(error)
        }
    }

    mutating func forget(_ name: DeviceName) { handles[name] = nil }

    func isWatched(_ name: DeviceName) -> Bool { handles[name] != nil }

    func id(of name: DeviceName) -> pid_t? { handles[name]?.id }

    /// The descriptors to poll, in the order of `names`.
    func polls() -> (names: [DeviceName], polls: [pollfd]) {
        let entries = Array(handles)
        return (
            entries.map(\.key), entries.map { pollfd(fd: $0.value.descriptor.raw, events: Int16(POLLIN), revents: 0) }
        )
    }
}

/// The division of this process's descriptors (RLIMIT_NOFILE). Requests to ports come first, because everything
/// depends on them.
struct DescriptorBudget: Equatable {
    /// Bus, signals, lock, files, control socket.
    private static let others = 24

    let limit: Int
    /// Most concurrent requests to ports.
    let inquiries: Int
    /// Most processes watched.
    let watches: Int

    init(limit: Int) {
        self.limit = limit
        inquiries = max(1, min(64, limit / 8))
        watches = max(0, limit - inquiries - Self.others)
    }

    /// The budget of this process.
    static var own: DescriptorBudget {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return Self(limit: 1024) }
        return Self(limit: Int(clamping: limits.rlim_cur))
    }
}
