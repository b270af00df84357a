import Platform
import SerialLine
import SystemBus

/// What a pool needs of Avahi.
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

/// Resolves items, each by a resolver of its own that goes on telling changes, as long as Avahi allows a client that
/// many objects; the rest once each. Known names come first, take resolvers from strangers, and have calls of their own;
/// how many strangers are being resolved at a time is bounded.
///
/// Concurrency model: the thread of its SystemBus.
final class ResolverPool {
    struct Limits {
        /// Most resolvers; Avahi's objects-per-client-max is 1024.
        var resolvers = 900
        /// Most calls under way (dbus-daemon ends those past 128 for a connection), and how many of them strangers get.
        var calls = 32
        var strangerCalls = 24
        /// Most strangers that are being resolved. Avahi gives each 5 s, and asks the network three times.
        var strangers = 256
    }

    /// Time until an item that could not be resolved is tried again, in nanoseconds; it doubles for strangers each time.
    static let pause: UInt64 = .seconds(10)
    static let longestPause: UInt64 = .seconds(80)

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
        /// A listing waits for its first answer.
        var isAwaited: Bool
        var failures = 0
        /// Has one of the places for resolvers.
        var holdsResolver = false
        /// Is one of the strangers that are being resolved.
        var countsAsStranger = false
        /// The host that its resolver named, as DNS compares it; nil while that has said nothing.
        var host: [UInt8]?
        /// When its resolver was last made anew because the host had changed.
        var remadeAt: MonotonicTime?

        init(isAwaited: Bool) { self.isAwaited = isAwaited }
    }

    /// What the pool tells its owner.
    struct Events {
        let found: (ServiceItem, Resolution) -> Void
        /// It could not be resolved, or to nothing that a server can have; it is tried on.
        let failed: (ServiceItem) -> Void
    }

    private let avahi: any AvahiResolvers
    private let limits: Limits
    private let isKnown: (String) -> Bool
    private let events: Events
    private var jobs: [ServiceItem: Job] = [:]
    private var queue = ResolveQueue()
    private(set) var resolvers = 0
    /// How many resolvers there may be: less than `limits` says where Avahi is configured to allow less.
    private var limit: Int
    /// Resolvers asked for so far, and up to the last time that Avahi had no more objects.
    private var made = 0
    private var shedAt = 0
    /// Calls under way, and strangers that are being resolved.
    private(set) var calls = 0
    private(set) var strangers = 0
    private var awaited = 0
    private var isPumping = false
    /// Those that have been asked once, for when a resolver's place becomes free; known names apart.
    private var asked: Set<ServiceItem> = []
    private var askedKnown: Set<ServiceItem> = []
    private var waiting: Set<ServiceItem> = []
    /// Strangers that have a resolver, and can give it to known names.
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

    /// Every item that is awaited has been resolved, or could not be.
    var isSettled: Bool { awaited == 0 }

    /// When the next one is to be tried again.
    var nextDeadline: MonotonicTime? {
        waiting.compactMap { item in
            if case .waiting(let until)? = jobs[item]?.state { until } else { nil }
        }.min()
    }

    /// Resolves an item, unless that is being done.
    /// - Parameter isAwaited: the pool is not settled before it has been tried.
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
        // A call under way gives its place back when it is answered.
        if case .called = job.state { return }
        release(job)
        pump()
    }

    /// Avahi is gone, and all that was asked of it.
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

    /// Tries again what is due.
    func advance(_ now: MonotonicTime) {
        for item in waiting {
            guard let job = jobs[item], case .waiting(let until) = job.state, until <= now else { continue }
            waiting.remove(item)
            enqueue(item, job)
        }
        pump()
    }

    /// Names may have become known: those that were asked once get resolvers.
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
        // An item that comes and goes while it waits for its turn is in the queue many times.
        guard queue.count > 2 * jobs.count + 1024 else { return }
        queue.keep { if case .queued? = jobs[$0]?.state { true } else { false } }
    }

    private func pump() {
        // What fails at once comes back here: one after the other, not one within the other.
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

    /// - Returns: false if it has none.
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
                if job.countsAsStranger { lenders.insert(item) }
            }
        }
    }

    /// Avahi has no more objects for us: this one is asked once, and some others that have been resolved give their
    /// objects back, which it takes for that; strangers first.
    private func shed(_ refused: ServiceItem, _ job: Job, _ number: Int) {
        job.holdsResolver = false
        resolvers -= 1
        endTurn(job)
        enqueue(refused, job)
        // Those asked for before the last time were refused for the same reason.
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

    /// Another host has the service now. Avahi's resolver tells the new port with the old host's address, and keeps that
    /// address; a new resolver finds the right one. If hosts take turns, the second change within the pause waits.
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

    /// It has been asked once, and waits for a resolver's place.
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

    /// Avahi is done with it for now.
    private func endTurn(_ job: Job) {
        guard job.countsAsStranger else { return }
        job.countsAsStranger = false
        strangers -= 1
    }

    /// Gives a resolver's place back, to one that was asked only once, if any.
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

/// Found, and the answer of ResolveService: interface, protocol, name, type, domain, host, address's protocol, address,
/// port, TXT, flags.
private struct Word {
    let host: String
    /// nil for what no server can have.
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
