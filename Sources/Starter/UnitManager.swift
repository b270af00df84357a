import PortPlan
import SerialLine
import SystemBus

/// systemd's units, over D-Bus (org.freedesktop.systemd1(5)). A job is under way when a call returns, and perhaps not
/// done.
struct UnitManager {
    private var bus: SystemBus?

    /// Longest wait for systemd's answer, in nanoseconds.
    private static let patience: UInt64 = .seconds(4)
    /// systemd has not loaded the unit: there is nothing to stop, and nothing that has failed.
    private static let notLoaded = "org.freedesktop.systemd1.NoSuchUnit"

    init() {}

    /// Starts a unit, also one that has failed too often for systemd's taste: how often is enough is for the supervisor
    /// to say.
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
                // The next order finds a bus that has been started again.
                bus = nil
                throw error
            }
            if name != Self.notLoaded || member == "StartUnit" { throw error }
        }
    }
}
