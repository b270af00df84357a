import Glibc
import Platform
import PortPlan
import SerialLine
import SystemBus

/// What became of a port's process.
enum LaunchEvent {
    /// It runs: one that was to be started, or that was started again by somebody else.
    case runs(DeviceName)
    /// It could not be started.
    case failed(DeviceName, String)
    /// It is gone, and nobody starts it again.
    case ended(DeviceName, End)
    /// All ports that run, or are being started, whoever did that: listed from time to time.
    case present(Set<DeviceName>)

    /// How a port has come to its end.
    enum End: Equatable {
        /// Somebody has stopped it, or it has ended by itself without a fault.
        case stopped
        case other(String)
    }
}

/// Starts the processes of ports, and knows which are ours. All results are events, handed out by `takeEvents`.
///
/// Concurrency model: the supervisor's thread.
protocol Launcher: AnyObject {
    /// In words, for the log.
    var description: String { get }
    /// Does `processEnded` look at the state first? If not, it takes the caller's word.
    var looksItself: Bool { get }
    /// Starts a port's process. `runs` or `failed` follows within `UnitJobs.startPatience`.
    func start(_ spec: PortSpec)
    /// A port is to be started with these servers from now on, whoever does it.
    func update(_ spec: PortSpec)
    /// A port's process is gone: `ended` or `runs` is to follow.
    func processEnded(_ name: DeviceName)
    /// Ends a port at once.
    func stop(_ name: DeviceName)
    /// Ends all that are just being started.
    func stopStarting()
    /// Has root tell a port to end when no program has it open: one that refuses this supervisor's orders. The port that
    /// follows it will take them.
    func retire(_ name: DeviceName)
    /// A port is not wanted any more, and gone.
    func forget(_ name: DeviceName)
    /// Where the system bus is, from now on; nil for nowhere.
    func use(_ bus: SystemBus?)
    /// What to poll for besides; `advance` looks after it.
    var polls: [pollfd] { get }
    /// Waits until its orders are given, or that time has come.
    func finishOrders(by deadline: MonotonicTime)
    /// Looks after what it has under way.
    func advance(_ now: MonotonicTime)
    /// When that is due next.
    var nextDeadline: MonotonicTime? { get }
    func takeEvents() -> [LaunchEvent]
}

/// Defaults for launchers that act at once.
extension Launcher {
    func retire(_ name: DeviceName) {}
    var polls: [pollfd] { [] }
    func finishOrders(by deadline: MonotonicTime) {}
}
