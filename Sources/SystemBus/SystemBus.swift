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
    /// The bus starts the destination if it does not run.
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

/// One signal. The bus vouches for the sender; everything else comes from the sender.
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
/// After `process` has thrown `.disconnected`, the owner may open a new connection.
///
/// Concurrency model: only the thread that opened the connection may use it and its matches, and release them.
/// Handlers are called within `process`. A handler may do anything but call `process`.
package final class SystemBus {
    private let raw: OpaquePointer
    /// Calls without an answer. This dictionary, not sd-bus, owns their userdata.
    private var pending: [ObjectIdentifier: PendingCall] = [:]
    private var owners: [String: OwnerWatch] = [:]
    private var isGone = false

    /// Most messages handled in one `process`.
    private static let batch = 4096

    /// Connects. Blocks no longer than connect(2) on a local socket.
    package static func open() throws(BusError) -> SystemBus {
        var bus: OpaquePointer?
        let result = csystemd_bus_open_system(&bus)
        guard result >= 0, let bus else {
            let error = Errno(rawValue: -result)
            throw error == .noFunction ? .noLibrary : .unreachable(socket: socket, error)
        }
        return SystemBus(bus)
    }

    /// The socket of the bus, as sd_bus_open_system(3) defines it.
    private static var socket: String {
        getenv("DBUS_SYSTEM_BUS_ADDRESS").map { String(cString: $0) } ?? "/run/dbus/system_bus_socket"
    }

    private init(_ raw: OpaquePointer) { self.raw = raw }

    deinit {
        // Slots first: their handlers must not be called with released userdata.
        pending.removeAll()
        owners.removeAll()
        csystemd_bus_close_unref(raw)
    }

    // MARK: In a poll loop

    /// The descriptor to poll; −1, which poll(2) ignores, after the connection has ended.
    package var descriptor: Int32 { isGone ? -1 : max(-1, csystemd_bus_get_fd(raw)) }

    /// The events to poll for.
    package var events: Int16 { isGone ? 0 : Int16(truncatingIfNeeded: max(0, csystemd_bus_get_events(raw))) }

    /// Longest time before `process` must be called, in nanoseconds; 0: at once; nil: only when poll(2) reports
    /// events.
    package var timeout: UInt64? { deadline?.nanosecondsFromNow }

    /// The same as a moment.
    package var deadline: MonotonicTime? {
        var microseconds = UInt64.max
        guard !isGone, csystemd_bus_get_timeout(raw, &microseconds) >= 0, microseconds != .max else { return nil }
        let (nanoseconds, overflows) = microseconds.multipliedReportingOverflow(by: 1000)
        return overflows ? nil : MonotonicTime(nanoseconds: nanoseconds)
    }

    /// Handles received messages, and sends messages that could not be sent before. Never blocks.
    package func process() throws(BusError) {
        for _ in 0..<Self.batch {
            guard !isGone else { throw .disconnected }
            let result = csystemd_bus_process(raw)
            guard result >= 0 else {
                isGone = true
                throw .result(result, "cannot read from the system bus")
            }
            if result == 0 { return }
        }
    }

    /// Sends all queued messages. Blocks until the bus has taken them.
    package func flush() throws(BusError) {
        let result = csystemd_bus_flush(raw)
        guard result >= 0 else { throw .result(result, "cannot send on the system bus") }
    }

    // MARK: Calls

    /// Calls a method and waits for its answer; other messages are kept for `process`.
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

    /// Calls a method. `answered` is called with the answer, exactly once, within a later `process`, unless this
    /// SystemBus is released before. The bus limits the unanswered calls of each connection.
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

    /// Calls a method without asking for an answer.
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

    /// Calls `handler` for signals, until the returned match is released.
    /// - Parameters:
    ///   - sender: a name on the bus; signals of other senders are dropped, broadcast or not.
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
            // Unicast signals pass every match rule of the bus, so the sender must be checked.
            guard signal.sender == (owner.map(\.owner) ?? sender) else { return }
            handler(signal)
        }
    }

    /// Calls `handler` with the unique name of the owner of a name, or nil if there is no owner: first as soon as the
    /// owner is known, then at each change, until the returned watch is released.
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
        // The bus sends messages in order: this answer comes before any later change.
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
    /// nil if no error is set.
    fileprivate init?(_ error: csystemd_bus_error) {
        guard let name = error.name.map({ String(cString: $0) }) else { return nil }
        switch name {
        case "System.Error.ECONNRESET", "System.Error.ENOTCONN": self = .disconnected
        default: self = .remote(name: name, message: error.message.map { String(cString: $0) } ?? "")
        }
    }
}
