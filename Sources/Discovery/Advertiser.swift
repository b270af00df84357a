import Glibc
import Platform
import SerialLine
import SystemBus
import SystemPackage

/// A service for Avahi to announce.
package struct Advertisement: Sendable {
    package let name: String
    package let type: String
    package let port: UInt16
    /// Strings `key=value`.
    package let txt: [String]
    /// The index of the only network interface to announce on; nil: all.
    package let interface: Int32?

    package init(name: String, type: String, port: UInt16, txt: [String], interface: Int32? = nil) {
        self.name = name
        self.type = type
        self.port = port
        self.txt = txt
        self.interface = interface
    }
}

/// Announces services while it runs: at once if Avahi runs, otherwise when Avahi starts, and again after each restart
/// of Avahi.
///
/// Concurrency model: a thread of its own does all work; `start` and `stop` may be called from one other thread.
package final class Advertiser: Sendable {
    private let services: [Advertisement]
    private let report: @Sendable (String) -> Void
    private let stopping: EventDescriptor
    private let thread = Monitor<Thread?>(nil)

    /// - Parameter report: called in the thread with lines for the operator. The lines quote the network: the caller
    ///   must make them safe to print.
    package init(_ services: [Advertisement], report: @escaping @Sendable (String) -> Void) throws(Errno) {
        self.services = services
        self.report = report
        stopping = try EventDescriptor()
    }

    package func start() throws(Errno) {
        let thread = try Thread("advertiser") { [services, report] in
            AdvertiserLoop(services, report).run(until: self.stopping.raw)
        }
        self.thread.withLock { $0 = thread }
    }

    /// Withdraws all services and waits until the thread has ended.
    package func stop() {
        stopping.signal()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

/// The work of the advertiser's thread.
///
/// Concurrency model: that thread.
private final class AdvertiserLoop {
    /// Interval between attempts to reach the bus, in nanoseconds.
    private static let pause: UInt64 = .seconds(1)
    /// Most services being registered at once; dbus-daemon allows 128 unanswered calls.
    private static let mostCalls = 32
    /// AVAHI_SERVER_RUNNING; AVAHI_ENTRY_GROUP_ESTABLISHED, _COLLISION and _FAILURE.
    private static let running = 2
    private static let established = 2
    private static let collision = 3
    private static let failure = 4

    private let services: [Advertisement]
    private let report: (String) -> Void
    private var bus: SystemBus?
    private var avahi: AvahiClient?
    private var stateMatch: BusMatch?
    private var isRunning = false
    /// Incremented when everything is given up: results of calls from earlier rounds are ignored.
    private var round = 0
    private var groups: [String] = []
    private var queue: [Advertisement] = []
    private var calls = 0
    private var settled = 0
    private var announced = 0
    private var lastSaid = ""

    init(_ services: [Advertisement], _ report: @escaping (String) -> Void) {
        self.services = services
        self.report = report
    }

    /// Runs until this descriptor becomes readable. Avahi withdraws the services when the connection to the bus ends.
    func run(until stopping: Int32) {
        open()
        while true {
            var descriptors = [
                pollfd(fd: stopping, events: Int16(POLLIN), revents: 0),
                pollfd(fd: bus?.descriptor ?? -1, events: bus?.events ?? 0, revents: 0),
            ]
            let wait = bus == nil ? Self.pause : bus?.timeout
            guard (try? waitForEvents(&descriptors, nanoseconds: wait)) != nil, descriptors[0].revents == 0 else {
                return
            }
            guard let bus else {
                open()
                continue
            }
            do {
                try bus.process()
            } catch {
                say("\(error)")
                close()
            }
        }
    }

    private func open() {
        do {
            let bus = try SystemBus.open()
            self.bus = bus
            stateMatch = try bus.match(
                sender: AvahiClient.name, interface: AvahiClient.name + ".Server", member: "StateChanged", path: "/"
            ) { [unowned self] signal in serverChanged(signal.arguments) }
            avahi = try AvahiClient(bus, kinds: [.entryGroup]) { [unowned self] in avahiChanged($0) }
        } catch {
            say("\(error)")
            close()
        }
    }

    private func close() {
        forget()
        stateMatch = nil
        avahi = nil
        bus = nil
    }

    private func forget() {
        round += 1
        isRunning = false
        groups = []
        queue = []
        calls = 0
    }

    private func avahiChanged(_ isThere: Bool) {
        forget()
        guard isThere else { return say("Avahi is not running; announcing the ports once it runs") }
        avahi?.call("GetState", []) { [unowned self] answer in
            if case .success(let values) = answer { serverChanged(values) }
        }
    }

    /// While Avahi chooses its own host name, nothing is announced, because services contain the host name.
    private func serverChanged(_ values: [BusValue]) {
        let isRunning = values.first?.integer == Self.running
        guard isRunning != self.isRunning else { return }
        for path in groups { avahi?.free(path, .entryGroup) }
        forget()
        self.isRunning = isRunning
        guard isRunning else { return }
        queue = services.reversed()
        settled = 0
        announced = 0
        pump()
    }

    private func pump() {
        while calls < Self.mostCalls, let service = queue.popLast() {
            calls += 1
            register(service)
        }
    }

    private func register(_ service: Advertisement) {
        var isSettled = false
        let round = round
        let settle = { [unowned self] (error: String?) in
            guard round == self.round else { return }
            if let error { say("cannot announce \(service.name): \(error)") }
            guard !isSettled else { return }
            isSettled = true
            if error == nil { announced += 1 }
            finishOne()
        }
        avahi?.make(.entryGroup, []) { signal in
            switch signal.arguments.first?.integer {
            case Self.established: settle(nil)
            case Self.collision: settle("another host uses that name")
            case Self.failure: settle(signal.arguments.last?.text ?? "no reason given")
            default: break
            }
        } made: { [unowned self] result in
            switch result {
            case .failure(let error): done(settle, error, round)
            case .success(let path):
                guard round == self.round else { return avahi?.free(path, .entryGroup) ?? () }
                groups.append(path)
                add(service, to: path, settle, round)
            }
        }
    }

    private func add(
        _ service: Advertisement, to path: String, _ settle: @escaping (String?) -> Void, _ round: Int
    ) {
        avahi?.call(path, .entryGroup, "AddService", service.arguments) { [unowned self] answer in
            if case .failure(let error) = answer { return done(settle, error, round) }
            avahi?.call(path, .entryGroup, "Commit") { [unowned self] answer in
                if case .failure(let error) = answer { done(settle, error, round) } else { done(settle, nil, round) }
            }
        }
    }

    /// The calls for one service are finished.
    private func done(_ settle: (String?) -> Void, _ error: BusError?, _ round: Int) {
        guard round == self.round else { return }
        calls -= 1
        if let error {
            settle(error.name == AvahiClient.name + ".CollisionError" ? "another host uses that name" : "\(error)")
        }
        pump()
    }

    private func finishOne() {
        settled += 1
        guard settled == services.count, announced > 0 else { return }
        lastSaid = ""
        report("announcing \(announced) port\(announced == 1 ? "" : "s")")
    }

    /// Reports a text, but not twice in a row.
    private func say(_ text: String) {
        guard text != lastSaid else { return }
        lastSaid = text
        report(text)
    }
}

extension Advertisement {
    /// AddService's: interface, protocol, flags, name, type, domain, host, port, TXT.
    fileprivate var arguments: [BusValue] {
        [
            .int32(interface ?? AvahiClient.any), .int32(AvahiClient.any), .uint32(0), .string(name), .string(type),
            .string(""), .string(""), .uint16(port), .array(of: "ay", txt.map { .bytes(Array($0.utf8)) }),
        ]
    }
}
