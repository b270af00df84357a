import CSystemd

/// A subscription to signals, which lasts until this object is released. Concurrency model: the bus's thread.
package final class BusMatch {
    private var slot: OpaquePointer?
    private var handler: ((BusSignal) -> Void)?

    init(_ bus: OpaquePointer, _ rule: String, _ handler: @escaping (BusSignal) -> Void) throws(BusError) {
        self.handler = handler
        let result = csystemd_bus_add_match_async(
            bus, &slot, rule, { message, userdata, _ in BusMatch.take(message, userdata) },
            Unmanaged.passUnretained(self).toOpaque())
        guard result >= 0 else { throw .result(result, "cannot subscribe to signals (\(rule))") }
    }

    deinit { csystemd_bus_slot_unref(slot) }

    /// Ends the subscription. The handler may call this.
    package func cancel() {
        slot = csystemd_bus_slot_unref(slot)
        handler = nil
    }

    private static func take(_ message: OpaquePointer?, _ userdata: UnsafeMutableRawPointer?) -> Int32 {
        guard let message, let userdata else { return 0 }
        func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
        let match = Unmanaged<BusMatch>.fromOpaque(userdata).takeUnretainedValue()
        guard let handler = match.handler, let arguments = try? BusMessage.values(of: message) else { return 0 }
        handler(
            BusSignal(
                sender: text(csystemd_bus_message_get_sender(message)),
                path: text(csystemd_bus_message_get_path(message)),
                interface: text(csystemd_bus_message_get_interface(message)),
                member: text(csystemd_bus_message_get_member(message)),
                arguments: arguments))
        // Another result than 0 would hide the signal from other matches.
        return 0
    }
}

/// The owner of a bus name. Concurrency model: the bus's thread.
final class OwnerWatch {
    var match: BusMatch?
    private(set) var owner: String?
    private(set) var isKnown = false
    private var listeners: [ObjectIdentifier: (String?) -> Void] = [:]

    func set(_ owner: String?) {
        guard !isKnown || owner != self.owner else { return }
        isKnown = true
        self.owner = owner
        for listener in listeners.values { listener(owner) }
    }

    func add(_ key: ObjectIdentifier, _ listener: @escaping (String?) -> Void) {
        listeners[key] = listener
        if isKnown { listener(owner) }
    }

    func remove(_ key: ObjectIdentifier) { listeners[key] = nil }
}

/// A subscription to the owner of a bus name, which lasts until this object is released.
package final class BusOwnerWatch {
    private let watch: OwnerWatch

    init(_ watch: OwnerWatch, _ handler: @escaping (String?) -> Void) {
        self.watch = watch
        watch.add(ObjectIdentifier(self), handler)
    }

    deinit { watch.remove(ObjectIdentifier(self)) }
}
