import Platform
import SerialLine
import SystemBus

/// Avahi's objects on the bus (avahi-daemon's D-Bus interface): creates them, receives their signals, frees them.
///
/// An object may send signals before the call that creates it is answered. Server2 (Avahi 0.7 and newer) has calls
/// that prepare an object and start it later; with the older Server, signals from unknown paths are kept until the
/// paths are known.
///
/// Concurrency model: the thread of its SystemBus.
final class AvahiClient {
    enum Kind: String {
        case serviceBrowser = "ServiceBrowser"
        case serviceResolver = "ServiceResolver"
        case entryGroup = "EntryGroup"

        var interface: String { "\(AvahiClient.name).\(rawValue)" }
    }

    static let name = "org.freedesktop.Avahi"
    /// AVAHI_IF_UNSPEC and AVAHI_PROTO_UNSPEC.
    static let any: Int32 = -1
    /// Avahi normally answers within 5 s. A busy one may take long, and would carry out a repeated request twice, so
    /// the time is generous. An Avahi that has ended does not answer either. In nanoseconds.
    private static let patience: UInt64 = .seconds(300)
    /// Most signals kept for unknown objects.
    private static let mostEarly = 4096

    let bus: SystemBus
    /// Incremented at each restart of Avahi: signals for objects of an earlier instance are ignored.
    private(set) var life = 0
    private(set) var isThere = false
    private var matches: [BusMatch] = []
    private var ownerWatch: BusOwnerWatch?
    private var handlers: [String: (BusSignal) -> Void] = [:]
    private var hasServer2 = true
    private var early: [BusSignal] = []
    private var unnamed = 0

    /// - Parameters:
    ///   - kinds: the kinds of objects that will be created.
    ///   - ownerChanged: Avahi started or was replaced (true), or ended; all objects are gone.
    init(_ bus: SystemBus, kinds: [Kind], ownerChanged: @escaping (Bool) -> Void) throws(BusError) {
        self.bus = bus
        for kind in kinds {
            matches.append(
                try bus.match(sender: Self.name, interface: kind.interface) { [weak self] in self?.take($0) })
        }
        ownerWatch = try bus.watchOwner(of: Self.name) { [weak self] owner in
            guard let self else { return }
            life += 1
            isThere = owner != nil
            handlers = [:]
            early = []
            unnamed = 0
            hasServer2 = true
            ownerChanged(isThere)
        }
    }

    private func take(_ signal: BusSignal) {
        if let handler = handlers[signal.path] {
            handler(signal)
        } else if unnamed > 0, !hasServer2, early.count < Self.mostEarly {
            early.append(signal)
        }
    }

    /// Calls Avahi's server. There is no answer if Avahi ends before it has answered.
    func call(
        server interface: String = "Server", _ member: String, _ arguments: [BusValue],
        _ answered: @escaping (Result<[BusValue], BusError>) -> Void
    ) {
        var call = BusCall(Self.name, path: "/", interface: "\(Self.name).\(interface)", member)
        call.arguments = arguments
        self.call(call, answered)
    }

    /// Calls one of Avahi's objects.
    func call(
        _ path: String, _ kind: Kind, _ member: String, _ arguments: [BusValue] = [],
        _ answered: @escaping (Result<[BusValue], BusError>) -> Void
    ) {
        var call = BusCall(Self.name, path: path, interface: kind.interface, member)
        call.arguments = arguments
        self.call(call, answered)
    }

    private func call(_ call: BusCall, _ answered: @escaping (Result<[BusValue], BusError>) -> Void) {
        let life = life
        do {
            try bus.call(call, timeout: Self.patience) { [weak self] answer in
                if self?.life == life { answered(answer) }
            }
        } catch {
            answered(.failure(error))
        }
    }

    /// Creates an object, subscribes to its signals, and starts it.
    /// - Parameters:
    ///   - signal: called with its signals, never before `made`.
    ///   - made: called with its path.
    func make(
        _ kind: Kind, _ arguments: [BusValue], signal: @escaping (BusSignal) -> Void,
        made: @escaping (Result<String, BusError>) -> Void
    ) {
        // An entry group sends no signal before it is committed.
        guard hasServer2, kind != .entryGroup else { return makeAtOnce(kind, arguments, signal, made) }
        call(server: "Server2", kind.rawValue + "Prepare", arguments) { [weak self] answer in
            guard let self else { return }
            if case .failure(let error) = answer, error.isUnknownMethod {
                hasServer2 = false
                return makeAtOnce(kind, arguments, signal, made)
            }
            guard let path = Self.path(answer, made) else { return }
            handlers[path] = signal
            made(.success(path))
            tell(path, kind, "Start")
        }
    }

    private func makeAtOnce(
        _ kind: Kind, _ arguments: [BusValue], _ signal: @escaping (BusSignal) -> Void,
        _ made: @escaping (Result<String, BusError>) -> Void
    ) {
        unnamed += 1
        call(kind.rawValue + "New", arguments) { [weak self] answer in
            guard let self else { return }
            unnamed -= 1
            let path = Self.path(answer, made)
            if let path {
                handlers[path] = signal
                made(.success(path))
            }
            let waiting = early.filter { $0.path == path }
            early = unnamed == 0 ? [] : early.filter { $0.path != path }
            for signal in waiting { take(signal) }
        }
    }

    private static func path(
        _ answer: Result<[BusValue], BusError>, _ made: (Result<String, BusError>) -> Void
    ) -> String? {
        switch answer {
        case .failure(let error): made(.failure(error))
        case .success(let values):
            if let path = values.first?.text { return path }
            made(.failure(.unexpected("Avahi")))
        }
        return nil
    }

    /// Frees an object; its signals are ignored from now on.
    func free(_ path: String, _ kind: Kind) {
        handlers[path] = nil
        tell(path, kind, "Free")
    }

    /// An error here means that the bus connection has ended, which the next `process` reports.
    private func tell(_ path: String, _ kind: Kind, _ member: String) {
        try? bus.send(BusCall(Self.name, path: path, interface: kind.interface, member))
    }
}

extension BusError {
    /// Avahi is too old for the call.
    fileprivate var isUnknownMethod: Bool {
        name == "org.freedesktop.DBus.Error.UnknownMethod" || name == "org.freedesktop.DBus.Error.UnknownInterface"
    }
}
