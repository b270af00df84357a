import Platform
import SerialLine
import SystemBus

/// The part of Avahi that a pool uses.
protocol AvahiResolvers: AnyObject {
    func call(
        server interface: String, _ member: String, _ arguments: [BusValue],
        _ answered: @escaping (Result<[BusValue], BusError>) -> Void)
    func make(
        _ kind: AvahiClient.Kind, _ arguments: [BusValue], signal: @escaping (BusSignal) -> Void,
        made: @escaping (Result<String, BusError>) -> Void)
    func free(_ path: String, _ kind: AvahiClient.Kind)
}

extension AvahiClient: AvahiResolvers {}

/// Resolves items. While Avahi allows this client more objects, each item has a resolver of its own, which also
/// reports changes; further items are resolved once. Known names come first, take resolvers from strangers, and have
/// calls of their own; the number of strangers being resolved at a time is limited.
///
/// Concurrency model: the thread of its SystemBus.
final class ResolverPool {
    struct Limits {
        /// Most resolvers; Avahi's objects-per-client-max is 1024.
        var resolvers = 900
        /// Most calls in progress (dbus-daemon disconnects a client with more than 128), and the part of them that
        /// strangers may use.
        var calls = 32
        var strangerCalls = 24
        /// Most strangers being resolved. Avahi spends 5 s on each, and asks the network three times.
        var strangers = 256
    }

    /// Time before a failed item is tried again, in nanoseconds; for strangers it doubles each time.
    static let pause: UInt64 = .seconds(10)
    static let longestPause: UInt64 = .seconds(80)

    private final class Job {
        enum State {
            case queued
            case called
            case resolving(path: String)
            case waiting(until: MonotonicTime)
            /// Without a resolver: asked once, and answered.
            case asked
        }
        var state = State.queued
        /// A listing waits for the first answer.
        var isAwaited: Bool
        var failures = 0
        /// The item holds one of the resolver places.
        var holdsResolver = false
        /// The item counts towards the limit of strangers being resolved.
        var countsAsStranger = false
        /// The host that the resolver reported, in the form that DNS compares; nil before the first report.
        var host: [UInt8]?
        /// When the resolver was last recreated because the host had changed.
        var remadeAt: MonotonicTime?

        init(isAwaited: Bool) { self.isAwaited = isAwaited }
    }

    /// Callbacks to the pool's owner.
    struct Events {
        let found: (ServiceItem, Resolution) -> Void
        /// The item could not be resolved, or resolved to an address that no server can have; it is tried again.
        let failed: (ServiceItem) -> Void
    }

    private let avahi: any AvahiResolvers
    private let limits: Limits
    private let isKnown: (String) -> Bool
    private let events: Events
    private var jobs: [ServiceItem: Job] = [:]
    private var queue = ResolveQueue()
    private(set) var resolvers = 0
    /// Most resolvers: less than in `limits` if Avahi is configured to allow less.
    private var limit: Int
    /// Number of resolvers requested, and its value when Avahi last refused an object.
    private var made = 0
    private var shedAt = 0
    /// Calls in progress, and strangers being resolved.
    private(set) var calls = 0
    private(set) var strangers = 0
    private var awaited = 0
    private var isPumping = false
    /// Items that were asked once, and get a resolver when a place becomes free; known names separately.
    private var asked: Set<ServiceItem> = []
    private var askedKnown: Set<ServiceItem> = []
    private var waiting: Set<ServiceItem> = []
    /// Strangers with a resolver, which known names may take.
    private var lenders: Set<ServiceItem> = []

    init(
        _ avahi: any AvahiResolvers, limits: Limits = Limits(), isKnown: @escaping (_ name: String) -> Bool,
        _ events: Events
    ) {
        self.avahi = avahi
        self.limits = limits
        limit = limits.resolvers
        self.isKnown = isKnown
        self.events = events
    }

    /// All awaited items were resolved, or have failed.
    var isSettled: Bool { awaited == 0 }

    /// When the next item must be tried again.
    var nextDeadline: MonotonicTime? {
        waiting.compactMap { item in
            if case .waiting(let until)? = jobs[item]?.state { until } else { nil }
        }.min()
    }

    /// Resolves an item, unless that is in progress.
    /// - Parameter isAwaited: the pool is not settled before the item was tried.
    func add(_ item: ServiceItem, isAwaited: Bool) {
        guard jobs[item] == nil else { return }
        let job = Job(isAwaited: isAwaited)
        jobs[item] = job
        if isAwaited { awaited += 1 }
        enqueue(item, job)
        pump()
    }

    func remove(_ item: ServiceItem) {
        guard let job = jobs.removeValue(forKey: item) else { return }
        settle(job)
        endTurn(job)
        asked.remove(item)
        askedKnown.remove(item)
        waiting.remove(item)
        lenders.remove(item)
        if case .resolving(let path) = job.state { avahi.free(path, .serviceResolver) }
        // A call in progress releases its place when it is answered.
        if case .called = job.state { return }
        release(job)
        pump()
    }

    /// Avahi has ended, and with it all calls and objects.
    func reset() {
        jobs = [:]
        queue = ResolveQueue()
        resolvers = 0
        limit = limits.resolvers
        calls = 0
        strangers = 0
        awaited = 0
        asked = []
        askedKnown = []
        waiting = []
        lenders = []
    }

    /// Retries the items that are due.
    func advance(_ now: MonotonicTime) {
        for item in waiting {
            guard let job = jobs[item], case .waiting(let until) = job.state, until <= now else { continue }
            waiting.remove(item)
            enqueue(item, job)
        }
        pump()
    }

    /// More names may be known now: items that were asked once get resolvers.
    func review() {
        for item in asked where isKnown(item.service.name) {
            asked.remove(item)
            if let job = jobs[item] { enqueue(item, job) }
        }
        pump()
    }

    private func enqueue(_ item: ServiceItem, _ job: Job) {
        job.state = .queued
        let isFirst = job.failures == 0 && job.remadeAt == nil
        queue.append(item, isKnown(item.service.name) ? .known : isFirst ? .stranger : .strangerAgain)
        // An item that comes and goes repeatedly is in the queue several times.
        guard queue.count > 2 * jobs.count + 1024 else { return }
        queue.keep { if case .queued? = jobs[$0]?.state { true } else { false } }
    }

    private func pump() {
        // A call that fails at once comes back here: handle calls one after the other, without recursion.
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while calls < limits.calls,
            let item = queue.popFirst(strangers: calls < limits.strangerCalls && strangers < limits.strangers)
        {
            guard let job = jobs[item], case .queued = job.state else { continue }
            start(item, job)
        }
    }

    private func start(_ item: ServiceItem, _ job: Job) {
        let isStranger = !isKnown(item.service.name)
        job.state = .called
        job.host = nil
        calls += 1
        if isStranger {
            job.countsAsStranger = true
            strangers += 1
        } else if resolvers >= limit {
            takeResolver()
        }
        if resolvers < limit {
            resolvers += 1
            job.holdsResolver = true
            makeResolver(item, job)
        } else {
            ask(item, job)
        }
    }

    /// Takes a resolver from a stranger, for a known name.
    private func takeResolver() {
        while let item = lenders.popFirst() {
            guard let job = jobs[item], !isKnown(item.service.name), giveUpResolver(item, job) else { continue }
            return
        }
    }

    /// - Returns: false if the item has no resolver.
    private func giveUpResolver(_ item: ServiceItem, _ job: Job) -> Bool {
        guard case .resolving(let path) = job.state else { return false }
        avahi.free(path, .serviceResolver)
        lenders.remove(item)
        endTurn(job)
        job.holdsResolver = false
        resolvers -= 1
        if job.host == nil { enqueue(item, job) } else { rest(item, job) }
        return true
    }

    /// Avahi's arguments: the kind of address by which the announcement came, so that both kinds are found; any kind
    /// after a failure.
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
                if job.countsAsStranger { lenders.insert(item) }
            }
        }
    }

    /// Avahi has refused another object: this item is asked once, and some resolved items, strangers first, release
    /// their objects for such calls.
    private func shed(_ refused: ServiceItem, _ job: Job, _ number: Int) {
        job.holdsResolver = false
        resolvers -= 1
        endTurn(job)
        enqueue(refused, job)
        // Objects requested before the last refusal were refused for the same reason.
        guard number > shedAt else { return }
        shedAt = made
        limit = max(0, resolvers - 2 * limits.calls)
        for item in Array(lenders) + Array(jobs.keys) where resolvers > limit {
            guard let job = jobs[item], job.host != nil else { continue }
            _ = giveUpResolver(item, job)
        }
    }

    private func take(_ signal: BusSignal, _ item: ServiceItem, _ job: Job) {
        guard isCurrent(item, job), case .resolving(let path) = job.state else { return }
        switch signal.member {
        case "Found":
            guard let word = Word(signal.arguments) else { return }
            let host = DNSName.folded(word.host)
            guard job.host == nil || job.host == host else { return remake(item, job, path) }
            job.host = host
            endTurn(job)
            tell(word, item, job)
            pump()
        case "Failure":
            avahi.free(path, .serviceResolver)
            fail(item, job)
            pump()
        default: break
        }
    }

    /// The service has moved to another host. Avahi's resolver reports the new port with the old host's address, and
    /// keeps that address; a new resolver finds the right one. If hosts alternate, a second change within the pause
    /// waits.
    private func remake(_ item: ServiceItem, _ job: Job, _ path: String) {
        avahi.free(path, .serviceResolver)
        lenders.remove(item)
        job.holdsResolver = false
        resolvers -= 1
        let now = MonotonicTime.now
        if let last = job.remadeAt, now < last + Self.pause {
            wait(item, job, until: last + Self.pause)
        } else {
            job.remadeAt = now
            enqueue(item, job)
        }
        pump()
    }

    private func ask(_ item: ServiceItem, _ job: Job) {
        avahi.call(server: "Server", "ResolveService", arguments(item, job)) { [weak self] answer in
            guard let self else { return }
            calls -= 1
            defer { pump() }
            guard isCurrent(item, job) else { return }
            guard case .success(let values) = answer, let word = Word(values) else { return fail(item, job) }
            endTurn(job)
            rest(item, job)
            tell(word, item, job)
        }
    }

    /// The item was asked once, and waits for a resolver's place.
    private func rest(_ item: ServiceItem, _ job: Job) {
        job.state = .asked
        if isKnown(item.service.name) { askedKnown.insert(item) } else { asked.insert(item) }
    }

    private func wait(_ item: ServiceItem, _ job: Job, until: MonotonicTime) {
        job.state = .waiting(until: until)
        waiting.insert(item)
    }

    private func fail(_ item: ServiceItem, _ job: Job) {
        job.failures = min(job.failures + 1, 30)
        let pause =
            isKnown(item.service.name)
            ? Self.pause : min(Self.longestPause, Self.pause << UInt64(job.failures - 1))
        wait(item, job, until: .now + pause)
        lenders.remove(item)
        endTurn(job)
        settle(job)
        release(job)
        events.failed(item)
    }

    private func tell(_ word: Word, _ item: ServiceItem, _ job: Job) {
        settle(job)
        guard let resolution = word.resolution else { return events.failed(item) }
        job.failures = 0
        events.found(item, resolution)
    }

    private func isCurrent(_ item: ServiceItem, _ job: Job) -> Bool { jobs[item] === job }

    private func settle(_ job: Job) {
        guard job.isAwaited else { return }
        job.isAwaited = false
        awaited -= 1
    }

    /// Avahi's work on the item is finished for now.
    private func endTurn(_ job: Job) {
        guard job.countsAsStranger else { return }
        job.countsAsStranger = false
        strangers -= 1
    }

    /// Releases a resolver's place, to an item that was only asked once, if there is one.
    private func release(_ job: Job) {
        guard job.holdsResolver else { return }
        job.holdsResolver = false
        resolvers -= 1
        guard resolvers < limit, let item = askedKnown.popFirst() ?? asked.popFirst(), let next = jobs[item] else {
            return
        }
        enqueue(item, next)
        pump()
    }
}

/// A signal Found, or the answer of ResolveService: interface, protocol, name, type, domain, host, protocol of the
/// address, address, port, TXT, flags.
private struct Word {
    let host: String
    /// nil if no server can have these values.
    let resolution: Resolution?

    init?(_ values: [BusValue]) {
        guard values.count == 11, let host = values[5].text, let address = values[7].text,
            case .uint16(let port) = values[8], let strings = values[9].items
        else { return nil }
        self.host = host
        resolution = Resolution(
            host: host, address: address, port: port, txt: TXTRecord(strings.compactMap(\.bytes)))
    }
}
