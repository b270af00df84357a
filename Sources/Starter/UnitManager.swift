import PortPlan
import SerialLine
import SystemBus

/// systemd's units, over D-Bus (org.freedesktop.systemd1(5)). When a call returns, its job is queued, but not
/// necessarily finished.
struct UnitManager {
    private var bus: SystemBus?

    /// Longest wait for systemd's answer, in nanoseconds.
    private static let patience: UInt64 = .seconds(4)
    /// systemd has not loaded the unit, so it is neither running nor failed.
    private static let notLoaded = "org.freedesktop.systemd1.NoSuchUnit"

    init() {}

    /// Starts a unit, even if it has failed more often than systemd's start limit allows: the supervisor limits the
    /// starts.
    mutating func start(_ unit: String) throws(BusError) {
        try call("ResetFailedUnit", .string(unit))
        try call("StartUnit", .string(unit), .string("replace"))
    }

    mutating func stop(_ unit: String) throws(BusError) { try call("StopUnit", .string(unit), .string("replace")) }

    private mutating func call(_ member: String, _ arguments: BusValue...) throws(BusError) {
        var call = BusCall(
            "org.freedesktop.systemd1", path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager", member)
        call.arguments = arguments
        do throws(BusError) {
            if bus == nil { bus = try SystemBus.open() }
            _ = try bus?.call(call, timeout: Self.patience)
        } catch {
            guard case .remote(let name, _) = error else {
                // The next order opens a new connection, in case the bus was restarted.
                bus = nil
                throw error
            }
            if name != Self.notLoaded || member == "StartUnit" { throw error }
        }
    }
}
