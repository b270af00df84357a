import Platform
import SerialLine
import SystemBus

/// Resolves items, each by a resolver of its own that goes on telling changes, as long as Avahi allows a client that
/// many objects; the rest once each.
///
/// Concurrency model: the thread of its SystemBus.
final class ResolverPool {
    /// Most resolvers; Avahi's objects-per-client-max is 1024.
    static let mostResolvers = 900
    /// Most calls under way: dbus-daemon ends those past 128 for a connection.
    static let mostCalls = 32
    /// What could not be resolved is tried again so much later, in nanoseconds.
    static let pause: UInt64 = .seconds(10)

    private final class Job {
        enum State {
            case queued
            case called
            case resolving(path: String)
            case waiting(until: MonotonicTime)
            /// Beyond the resolvers: asked once, and answered.
            case asked
        }
        var state = State.queued
        var isSettled = false
        var failures = 0
        /// Has one of the places for resolvers.
        var holdsResolver = false
    }

    private let avahi: AvahiClient
    private let found: (ServiceItem, Resolution) -> Void
    private var jobs: [ServiceItem: Job] = [:]
    private var queue = Queue()
    private var resolvers = 0
    /// How many resolvers there may be: less than `mostResolvers` where Avahi is configured to allow less.
    private var limit = ResolverPool.mostResolvers
    /// Resolvers asked for so far, and up to the last time that Avahi had no more objects.
    private var made = 0
    private var shedAt = 0
    private var calls = 0
    private var unsettled = 0
    private var isPumping = false
    /// Those that have been asked once, for when a resolver's place becomes free.
    private var asked: Set<ServiceItem> = []
    private var waiting: Set<ServiceItem> = []

    init(_ avahi: AvahiClient, found: @escaping (ServiceItem, Resolution) -> Void) {
        self.avahi = avahi
        self.found = found
    }

    /// Every item has been resolved, or could not be.
    var isSettled: Bool { unsettled == 0 }

    /// When the next one is to be tried again.
    var nextDeadline: MonotonicTime? {
        waiting.compactMap { item in
            if case .waiting(let until)? = jobs[item]?.state { until } else { nil }
        }.min()
    }

    /// Resolves an item, unless that is being done.
    func add(_ item: ServiceItem) {
        guard jobs[item] == nil else { return }
        jobs[item] = Job()
        unsettled += 1
        queue.append(item)
        pump()
    }

    func remove(_ item: ServiceItem) {
        guard let job = jobs.removeValue(forKey: item) else { return }
        settle(job)
        asked.remove(item)
        waiting.remove(item)
        if case .resolving(let path) = job.state { avahi.free(path, .serviceResolver) }
        // A call under way gives its place back when it is answered.
        if case .called = job.state { return }
        release(job)
    }

    /// Avahi is gone, and all that was asked of it.
    func reset() {
        jobs = [:]
        queue = Queue()
        resolvers = 0
        limit = Self.mostResolvers
        calls = 0
        unsettled = 0
        asked = []
        waiting = []
    }

    /// Tries again what is due.
    func advance(_ now: MonotonicTime) {
        for item in waiting {
            guard let job = jobs[item], case .waiting(let until) = job.state, until <= now else { continue }
            waiting.remove(item)
            job.state = .queued
            queue.append(item)
        }
        pump()
    }

    private func pump() {
        // What fails at once comes back here: one after the other, not one within the other.
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while calls < Self.mostCalls, let item = queue.popFirst() {
            guard let job = jobs[item], case .queued = job.state else { continue }
            job.state = .called
            calls += 1
            if resolvers < limit {
                resolvers += 1
                job.holdsResolver = true
                makeResolver(item, job)
            } else {
                ask(item, job)
            }
        }
    }

    /// Avahi's arguments: the address is wanted of the kind that the announcement came by, so that both kinds are
    /// found; of any kind once that has failed.
    private func arguments(_ item: ServiceItem, _ job: Job) -> [BusValue] {
        let service = item.service
        let address = job.failures == 0 ? item.transport : AvahiClient.any
        return [
            .int32(item.interface), .int32(item.transport), .string(service.name), .string(service.type),
            .string(service.domain), .int32(address), .uint32(0),
        ]
    }

    private func makeResolver(_ item: ServiceItem, _ job: Job) {
        made += 1
        let number = made
        avahi.make(.serviceResolver, arguments(item, job)) { [weak self] signal in
            self?.take(signal, item, job)
        } made: { [weak self] result in
            guard let self else { return }
            calls -= 1
            defer { pump() }
            switch result {
            case .failure(let error):
                guard isCurrent(item, job) else { return release(job) }
                if error.name == AvahiClient.name + ".TooManyObjectsError" {
                    shed(item, job, number)
                } else {
                    fail(item, job)
                }
            case .success(let path):
                job.state = .resolving(path: path)
                guard isCurrent(item, job) else {
                    avahi.free(path, .serviceResolver)
                    return release(job)
                }
            }
        }
    }

    /// Avahi has no more objects for us: this one is asked once, and some others that have been resolved give their
    /// objects back, which it takes for that.
    private func shed(_ refused: ServiceItem, _ job: Job, _ number: Int) {
        job.holdsResolver = false
        job.state = .queued
        queue.append(refused)
        resolvers -= 1
        // Those asked for before the last time were refused for the same reason.
        guard number > shedAt else { return }
        shedAt = made
        limit = max(0, resolvers - 2 * Self.mostCalls)
        for (item, job) in jobs where resolvers > limit {
            guard job.isSettled, case .resolving(let path) = job.state else { continue }
            avahi.free(path, .serviceResolver)
            job.state = .asked
            job.holdsResolver = false
            asked.insert(item)
            resolvers -= 1
        }
    }

    private func take(_ signal: BusSignal, _ item: ServiceItem, _ job: Job) {
        guard isCurrent(item, job), case .resolving(let path) = job.state else { return }
        switch signal.member {
        case "Found":
            job.failures = 0
            tell(signal.arguments, item)
            settle(job)
        case "Failure":
            avahi.free(path, .serviceResolver)
            fail(item, job)
            pump()
        default: break
        }
    }

    private func ask(_ item: ServiceItem, _ job: Job) {
        avahi.call("ResolveService", arguments(item, job)) { [weak self] answer in
            guard let self else { return }
            calls -= 1
            defer { pump() }
            guard isCurrent(item, job) else { return }
            guard case .success(let values) = answer else { return fail(item, job) }
            job.state = .asked
            asked.insert(item)
            tell(values, item)
            settle(job)
        }
    }

    private func fail(_ item: ServiceItem, _ job: Job) {
        job.failures += 1
        job.state = .waiting(until: .now + Self.pause)
        waiting.insert(item)
        settle(job)
        release(job)
    }

    /// Found, and the answer of ResolveService: interface, protocol, name, type, domain, host, address's protocol,
    /// address, port, TXT, flags.
    private func tell(_ values: [BusValue], _ item: ServiceItem) {
        guard values.count == 11, let host = values[5].text, let address = values[7].text,
            case .uint16(let port) = values[8], let strings = values[9].items
        else { return }
        let txt = TXTRecord(strings.compactMap(\.bytes))
        if let resolution = Resolution(host: host, address: address, port: port, txt: txt) { found(item, resolution) }
    }

    private func isCurrent(_ item: ServiceItem, _ job: Job) -> Bool { jobs[item] === job }

    private func settle(_ job: Job) {
        guard !job.isSettled else { return }
        job.isSettled = true
        unsettled -= 1
    }

    /// Gives a resolver's place back, to one that was asked only once, if any.
    private func release(_ job: Job) {
        guard job.holdsResolver else { return }
        job.holdsResolver = false
        resolvers -= 1
        guard resolvers < limit, let item = asked.popFirst(), let next = jobs[item] else { return }
        next.state = .queued
        queue.append(item)
        pump()
    }
}

/// First in, first out.
private struct Queue {
    private var items: [ServiceItem] = []
    private var head = 0

    mutating func append(_ item: ServiceItem) { items.append(item) }

    mutating func popFirst() -> ServiceItem? {
        guard head < items.count else { return nil }
        defer {
            head += 1
            if head == items.count || head >= 1024 {
                items.removeFirst(head)
                head = 0
            }
        }
        return items[head]
    }
}
