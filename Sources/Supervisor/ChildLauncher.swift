import CLinux
import Glibc
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemBus
import SystemPackage

/// Runs ports as child processes, if systemd does not run, as in containers. The children have sessions of their own
/// and survive the supervisor; the next supervisor finds them by their control sockets.
final class ChildLauncher: Launcher {
    /// Time for a port to answer after its start, and the interval of the requests, in nanoseconds.
    private static let patience: UInt64 = .seconds(10)
    private static let pause: UInt64 = .milliseconds(20)
    /// Interval of listing all control sockets, in nanoseconds: an earlier supervisor may have left a port whose
    /// socket did not exist yet when this one started.
    private static let listPause: UInt64 = .seconds(30)

    /// A process that was started and has not answered yet.
    private struct Start {
        let id: pid_t
        let deadline: MonotonicTime
        /// The request for its status, until it is answered.
        var question: ControlExchange?
    }

    private var starts: [DeviceName: Start] = [:]
    /// Child processes to wait for.
    private var children: [DeviceName: pid_t] = [:]
    /// Killed children, until they have ended.
    private var killed: [pid_t] = []
    private var events: [LaunchEvent] = []
    private var nextLook: MonotonicTime?
    private var nextList = MonotonicTime.now

    let description = "child processes"
    let looksItself = false

    init() {
        // The service manager's variables are for this process, not for its children.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
    }

    func start(_ spec: PortSpec) {
        do {
            // A program that wrote to the name while there was no device may have left a regular file.
            _ = try FileSystem.setAside("/dev/\(spec.name)")
            // All users can read command lines, so the servers are passed in the environment. Only this thread uses
            // the environment.
            setenv("TTYNVT_SERVERS", spec.servers.listed, 1)
            defer { unsetenv("TTYNVT_SERVERS") }
            // The running program, even if its file was replaced.
            let id = try spawn("/proc/self/exe", ["ttynvt-swift", "port"] + spec.options, in: .ownSession)
            children[spec.name] = id
            starts[spec.name] = Start(id: id, deadline: .now + Self.patience)
            nextLook = .now + Self.pause
        } catch {
            events.append(.failed(spec.name, "cannot start a process: \(error)"))
        }
    }

    func update(_ spec: PortSpec) {}

    func processEnded(_ name: DeviceName) {
        events.append(.ended(name, .other(reap(name) ?? "its process has ended")))
    }

    func stop(_ name: DeviceName) {
        if let id = children[name] {
            kill(id, SIGTERM)
        } else if let id = try? PortControlClient(name).pid() {
            kill(id, SIGTERM)
        }
    }

    func stopStarting() {
        for start in starts.values { kill(start.id, SIGTERM) }
        // These children have just started: they end at once, or have just answered; one that does neither is killed.
        let deadline = MonotonicTime.now + .seconds(2)
        for start in starts.values {
            while waitpid(start.id, nil, WNOHANG) == 0, MonotonicTime.now < deadline { usleep(2000) }
            if waitpid(start.id, nil, WNOHANG) == 0 { kill(start.id, SIGKILL) }
        }
    }

    func forget(_ name: DeviceName) {
        // The port itself, without privileges, could not remove its directory.
        rmdir("\(PortControl.base)/\(name)")
    }

    func use(_ bus: SystemBus?) {}

    var nextDeadline: MonotonicTime? { starts.isEmpty ? nextList : sooner(nextLook, nextList) }

    func advance(_ now: MonotonicTime) {
        if nextList <= now {
            nextList = now + Self.listPause
            killed.removeAll { waitpid($0, nil, WNOHANG) != 0 }
            events.append(.present(Set(PortControl.list())))
        }
        guard let nextLook, nextLook <= now else { return }
        self.nextLook = now + Self.pause
        for name in starts.keys { look(name, now) }
    }

    /// Checks whether a started port has come up.
    private func look(_ name: DeviceName, _ now: MonotonicTime) {
        guard let start = starts[name] else { return }
        if let end = reap(name) {
            starts[name] = nil
            events.append(.failed(name, end))
        } else if answers(name, now) {
            starts[name] = nil
            events.append(.runs(name))
        } else if start.deadline <= now {
            starts[name] = nil
            children[name] = nil
            kill(start.id, SIGKILL)
            killed.append(start.id)
            events.append(.failed(name, "the port does not answer"))
        }
    }

    /// Continues the request, or sends a new one: a port whose socket does not exist yet refuses at once.
    private func answers(_ name: DeviceName, _ now: MonotonicTime) -> Bool {
        if starts[name]?.question == nil { starts[name]?.question = try? ControlExchange(name, .status, now) }
        guard let start = starts[name], let question = start.question else { return false }
        question.advance(now)
        guard let result = question.result else { return false }
        starts[name]?.question = nil
        guard let reply = try? result.get(), let status = try? ControlExchange.status(name, reply) else { return false }
        return status.pid == start.id
    }

    func takeEvents() -> [LaunchEvent] {
        defer { events.removeAll() }
        return events
    }

    /// How a child has ended; nil if it has not.
    private func reap(_ name: DeviceName) -> String? {
        guard let id = children[name] else { return nil }
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) == id else { return nil }
        children[name] = nil
        // The macros WIFSIGNALED, WTERMSIG and WEXITSTATUS of <sys/wait.h>.
        let signal = status & 0x7F
        return signal != 0
            ? "its process was ended by signal \(signal)" : "its process exited with status \(status >> 8 & 0xFF)"
    }
}
