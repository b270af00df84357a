import CSystemd
import Glibc
import Platform
import SerialLine
import SystemPackage

/// A method call.
package struct BusCall: Sendable {
    package var destination: String
    package var path: String
    package var interface: String
    package var member: String
    package var arguments: [BusValue]
    /// Has the bus start the destination where it does not run.
    package var startsDestination = false

    package init(
        _ destination: String, path: String, interface: String, _ member: String, _ arguments: BusValue...
    ) {
        self.destination = destination
        self.path = path
        self.interface = interface
        self.member = member
        self.arguments = arguments
    }
}

/// One signal. Who sent it is the bus's word, everything else is the sender's.
package struct BusSignal: Sendable {
    /// The sender's unique name, such as `:1.7`.
    package let sender: String
    package let path: String
    package let interface: String
    package let member: String
    package let arguments: [BusValue]
}

/// A connection to the system bus, for the poll loop of its owner:
///
///     poll(bus.descriptor, bus.events), for at most bus.timeout
///     try bus.process()
///
/// When it throws `.disconnected`, that was that: the owner opens a new one when it likes.
///
/// Concurrency model: the thread that opened it is the only one that uses it, and its matches, and lets go of them;
/// replies and signals are told within `process`. Handlers may do everything but call `process`.
package final class SystemBus {
    private let raw: OpaquePointer
    /// Calls without an answer yet: their userdata is kept here, not by sd-bus.
    private var pending: [ObjectIdentifier: PendingCall] = [:]
    private var owners: [String: OwnerWatch] = [:]
    private var isGone = false

    /// Most messages dealt with in one `process`.
    private static let batch = 4096

    /// Connects. Blocks for no longer than connect(2) on a local socket.
    package static func open() throws(BusError) -> SystemBus {
        var bus: OpaquePointer?
        let result = csystemd_bus_open_system(&bus)
        guard result >= 0, let bus else {
            let error = Errno(rawValue: -result)
            throw error == .noFunction ? .noLibrary : .unreachable(socket: socket, error)
        }
        return SystemBus(bus)
    }

    /// Where the bus is looked for, as sd_bus_open_system(3) says.
    private static var socket: String {
        getenv("DBUS_SYSTEM_BUS_ADDRESS").map { String(cString: $0) } ?? "/run/dbus/system_bus_socket"
    }

    private init(_ raw: OpaquePointer) { self.raw = raw }

    deinit {
        // Slots first: none of their handlers may be called with userdata that is gone.
        pending.removeAll()
        owners.removeAll()
        csystemd_bus_close_unref(raw)
    }

    // MARK: In a poll loop

    /// To be polled; -1, which poll(2) skips, once the bus is gone.
    package var descriptor: Int32 { isGone ? -1 : max(-1, csystemd_bus_get_fd(raw)) }

    /// What to poll for.
    package var events: Int16 { isGone ? 0 : Int16(truncatingIfNeeded: max(0, csystemd_bus_get_events(raw))) }

    /// Nanoseconds until `process` is to be called whatever poll(2) says; 0: at once; nil: whenever it says so.
    package var timeout: UInt64? { deadline?.nanosecondsFromNow }

    /// The same as a point in time.
    package var deadline: MonotonicTime? {
        var microseconds = UInt64.max
        guard !isGone, csystemd_bus_get_timeout(raw, &microseconds) >= 0, microseconds != .max else { return nil }
        let (nanoseconds, overflows) = microseconds.multipliedReportingOverflow(by: 1000)
        return overflows ? nil : MonotonicTime(nanoseconds: nanoseconds)
    }

    /// Deals with what has come, and sends what could not be sent yet. Never blocks.
    package func process() throws(BusError) {
        for _ in 0..<Self.batch {
            guard !isGone else { throw .disconnected }
            let result = csystemd_bus_process(raw)
            guard result >= 0 else {
                isGone = true
                throw .result(result, "the system bus cannot be read")
            }
            if result == 0 { return }
        }
    }

    /// Sends all that is queued. Blocks until the bus has taken it.
    package func flush() throws(BusError) {
        let result = csystemd_bus_flush(raw)
        guard result >= 0 else { throw .result(result, "the system bus takes nothing") }
    }

    // MARK: Calls

    /// Calls a method and waits for its answer; what comes meanwhile waits for `process`.
    /// - Parameter timeout: nanoseconds.
    package func call(_ call: BusCall, timeout: UInt64 = .seconds(25)) throws(BusError) -> [BusValue] {
        let message = try BusMessage.make(call, on: raw)
        var error = csystemd_bus_error()
        defer { csystemd_bus_error_free(&error) }
        var reply: OpaquePointer?
        let result = csystemd_bus_call(raw, message.raw, timeout / 1000, &error, &reply)
        guard result >= 0, let reply else { throw BusError(error) ?? .result(result, call.member) }
        let answer = BusMessage(owning: reply)
        return try BusMessage.values(of: answer.raw)
    }

    /// Calls a method; `answered` is told the answer, exactly once, within a later `process`, unless this SystemBus
    /// goes first. The bus allows each connection a number of calls without answer: mind how many are under way.
    /// - Parameter timeout: nanoseconds.
    package func call(
        _ call: BusCall, timeout: UInt64 = .seconds(25),
        answered: @escaping (Result<[BusValue], BusError>) -> Void
    ) throws(BusError) {
        let message = try BusMessage.make(call, on: raw)
        let pending = PendingCall(self, answered)
        let result = csystemd_bus_call_async(
            raw, &pending.slot, message.raw, { message, userdata, _ in PendingCall.take(message, userdata) },
            Unmanaged.passUnretained(pending).toOpaque(), timeout / 1000)
        guard result >= 0 else { throw .result(result, call.member) }
        self.pending[ObjectIdentifier(pending)] = pending
    }

    /// Calls a method whose answer nobody wants.
    package func send(_ call: BusCall) throws(BusError) {
        let message = try BusMessage.make(call, on: raw)
        csystemd_bus_message_set_expect_reply(message.raw, 0)
        let result = csystemd_bus_send(raw, message.raw)
        guard result >= 0 else { throw .result(result, call.member) }
    }

    /// One asynchronous call. Concurrency model: the bus's thread.
    private final class PendingCall {
        var slot: OpaquePointer?
        private weak let bus: SystemBus?
        private let answered: (Result<[BusValue], BusError>) -> Void

        init(_ bus: SystemBus, _ answered: @escaping (Result<[BusValue], BusError>) -> Void) {
            self.bus = bus
            self.answered = answered
        }

        deinit { csystemd_bus_slot_unref(slot) }

        static func take(_ message: OpaquePointer?, _ userdata: UnsafeMutableRawPointer?) -> Int32 {
            guard let message, let userdata else { return 0 }
            let call = Unmanaged<PendingCall>.fromOpaque(userdata).takeUnretainedValue()
            call.bus?.pending[ObjectIdentifier(call)] = nil
            call.answered(Result { () throws(BusError) in try SystemBus.answer(message) })
            return 0
        }
    }

    private static func answer(_ message: OpaquePointer) throws(BusError) -> [BusValue] {
        if let error = csystemd_bus_message_get_error(message), let error = BusError(error.pointee) { throw error }
        return try BusMessage.values(of: message)
    }

    // MARK: Signals

    /// Has `handler` told of signals, until the match returned is let go.
    /// - Parameters:
    ///   - sender: a name on the bus; signals of others are dropped, broadcast or not.
    ///   - member: nil for all of the interface.
    ///   - path: nil for all objects.
    package func match(
        sender: String, interface: String, member: String? = nil, path: String? = nil,
        _ handler: @escaping (BusSignal) -> Void
    ) throws(BusError) -> BusMatch {
        var rule = "type='signal',sender='\(sender)',interface='\(interface)'"
        if let member { rule += ",member='\(member)'" }
        if let path { rule += ",path='\(path)'" }
        let owner = sender == Self.daemon || sender.hasPrefix(":") ? nil : try watch(sender)
        return try BusMatch(raw, rule) { signal in
            // Unicast signals pass every rule of the bus: who sent them is to be looked at.
            guard signal.sender == (owner.map(\.owner) ?? sender) else { return }
            handler(signal)
        }
    }

    /// Has `handler` told who owns a name, by the unique name, and nil for nobody: first as soon as that is known, then
    /// at each change, until the watch returned is let go.
    package func watchOwner(of name: String, _ handler: @escaping (String?) -> Void) throws(BusError) -> BusOwnerWatch {
        BusOwnerWatch(try watch(name), handler)
    }

    private func watch(_ name: String) throws(BusError) -> OwnerWatch {
        if let watch = owners[name] { return watch }
        let watch = OwnerWatch()
        let rule = "type='signal',sender='\(Self.daemon)',interface='\(Self.daemon)',member='NameOwnerChanged',"
        watch.match = try BusMatch(raw, rule + "arg0='\(name)'") { [weak watch] signal in
            guard signal.sender == Self.daemon, signal.arguments.count == 3, signal.arguments[0].text == name,
                let owner = signal.arguments[2].text
            else { return }
            watch?.set(owner.isEmpty ? nil : owner)
        }
        // What the bus says comes in order: this answer before any later change.
        try call(
            BusCall(
                Self.daemon, path: "/org/freedesktop/DBus", interface: Self.daemon, "GetNameOwner", .string(name))
        ) { [weak watch] answer in
            switch answer {
            case .success(let values): watch?.set(values.first?.text)
            case .failure(let error): if error.name == Self.daemon + ".Error.NameHasNoOwner" { watch?.set(nil) }
            }
        }
        owners[name] = watch
        return watch
    }

    private static let daemon = "org.freedesktop.DBus"
}

extension BusError {
    /// nil where nothing is set.
    fileprivate init?(_ error: csystemd_bus_error) {
        guard let name = error.name.map({ String(cString: $0) }) else { return nil }
        switch name {
        case "System.Error.ECONNRESET", "System.Error.ENOTCONN": self = .disconnected
        default: self = .remote(name: name, message: error.message.map { String(cString: $0) } ?? "")
        }
    }
}
