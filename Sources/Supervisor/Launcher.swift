import Glibc
import Platform
import PortPlan
import SerialLine
import SystemBus

/// An event of a port's process.
enum LaunchEvent {
    /// It runs, after an order to start it or because it was started otherwise.
    case runs(DeviceName)
    /// It could not be started.
    case failed(DeviceName, String)
    /// It has ended, and will not be restarted by its launcher.
    case ended(DeviceName, End)
    /// All ports that run, or are being started, however they were started: listed from time to time.
    case present(Set<DeviceName>)

    /// The way in which a port's process ended.
    enum End: Equatable {
        /// It was stopped, or it ended by itself without an error.
        case stopped
        case other(String)
    }
}

/// Starts the processes of ports, and finds the running ones. All results are events, returned by `takeEvents`.
///
/// Concurrency model: the supervisor's thread.
protocol Launcher: AnyObject {
    /// Description for the log.
    var description: String { get }
    /// Whether `processEnded` checks the state first; if not, it trusts the caller.
    var looksItself: Bool { get }
    /// Starts a port's process. `runs` or `failed` follows within `UnitJobs.startPatience`.
    func start(_ spec: PortSpec)
    /// Sets the servers for later starts of a port.
    func update(_ spec: PortSpec)
    /// A port's process has ended: `ended` or `runs` follows.
    func processEnded(_ name: DeviceName)
    /// Ends a port at once.
    func stop(_ name: DeviceName)
    /// Ends all ports that are being started.
    func stopStarting()
    /// Makes root retire a port that refuses this supervisor's orders. The port that replaces it accepts them.
    func retire(_ name: DeviceName)
    /// A port is unwanted, and has ended.
    func forget(_ name: DeviceName)
    /// Sets the connection to the system bus; nil otherwise.
    func use(_ bus: SystemBus?)
    /// Additional descriptors to poll; `advance` handles their events.
    var polls: [pollfd] { get }
    /// Waits until its orders are sent, or until the deadline.
    func finishOrders(by deadline: MonotonicTime)
    /// Continues its work in progress.
    func advance(_ now: MonotonicTime)
    /// When `advance` must be called next.
    var nextDeadline: MonotonicTime? { get }
    func takeEvents() -> [LaunchEvent]
}

/// Defaults for launchers that act immediately.
extension Launcher {
    func retire(_ name: DeviceName) {}
    var polls: [pollfd] { [] }
    func finishOrders(by deadline: MonotonicTime) {}
}
