import Glibc
import Platform
import SerialLine
import SystemBus

/// The services of some types on the local network, as Avahi finds them, for the poll loop of its owner:
///
///     let browser = ServiceBrowser(bus: bus, types: ["_ttynvt._tcp"]) { … browser.services … }
///     browser.start()
///     loop: poll(bus …, browser.nextDeadline); try bus.process(); browser.advance(.now)
///
/// The browser holds state, not events: `services` is the current list. It handles an Avahi that is missing or
/// restarts: then everything is listed anew, and the old list is kept until the new one is complete. If the bus
/// connection ends, the owner opens another one and passes it to `use`.
///
/// Concurrency model: the thread of its SystemBus.
package final class ServiceBrowser {
    package enum State: String, Sendable {
        /// Avahi (or the bus) is not running: `services` is the last known list.
        case noAvahi
        /// A listing is in progress.
        case listing
        /// `services` is up to date.
        case current
    }

    /// The browsing of one type.
    private struct Listing {
        var path: String?
        var isDone = false
        /// When to try again after a failure.
        var retryAt: MonotonicTime?
    }

    /// Time before a failed request is repeated, in nanoseconds.
    private static let pause: UInt64 = .seconds(10)
    /// Least time between two reviews of which names are known, in nanoseconds.
    private static let reviewPause: UInt64 = .seconds(60)

    /// AVAHI_LOOKUP_RESULT_LOCAL: announced by this machine. Only ItemNew contains this flag.
    private static let localFlag: UInt32 = 8

    private let types: [String]
    private let accepts: (String, String) -> Bool
    private let isKnown: (String) -> Bool
    private let report: (String) -> Void
    private let onChange: () -> Void
    private var bus: SystemBus?
    private var avahi: AvahiClient?
    private var pool: ResolverPool?
    private var catalogue: ServiceCatalogue
    private var listings: [String: Listing] = [:]
    private var schedule: ListingSchedule
    private var reviewedAt = MonotonicTime(nanoseconds: 0)
    private var hasReportedOverflow = false
    private var hasChanged = false
    /// Avahi has reported everything, and has had time for its second query.
    private var isHeard = false

    package private(set) var state = State.noAvahi {
        didSet { if state != oldValue { hasChanged = true } }
    }
    /// The bus has reported that Avahi is not running; false while that is unknown.
    package private(set) var isAvahiMissing = false {
        didSet { if isAvahiMissing != oldValue { hasChanged = true } }
    }
    /// All known services, sorted by name, then type, then domain as DNS compares them; unresolved ones have no
    /// claims.
    package var services: [DiscoveredService] { catalogue.services }
    /// Avahi is running, every type was listed, every item was tried, and no announcement was dropped: a service
    /// missing from `services` is not announced. While announcements are dropped, this holds only for known names,
    /// which always fit; `state` is then `current` all the same, and the listing is repeated from time to time.
    package var isComplete: Bool { isConclusive && catalogue.overflow == 0 }
    /// Whether a known service missing from `services` is gone. Known services always fit.
    package var isConclusive: Bool { (state == .current || state == .listing && isHeard) && !schedule.isDoubtful }
    /// Announcements dropped since the last listing began: for lack of room, or in favour of others.
    package var overflow: Int { catalogue.overflow }

    /// - Parameters:
    ///   - types: such as `_ttynvt._tcp`.
    ///   - maxServices: most resolved strangers; a service on two interfaces counts twice.
    ///   - maxUnresolved: most unresolved strangers.
    ///   - settling: nanoseconds after "all for now" before a listing is complete. Avahi reports that a second after
    ///     its first query, when it sends the second one; answers that the network had lost arrive in this time.
    ///   - accepts: whether a service of this name on this network interface is wanted; called before the service is
    ///     resolved.
    ///   - isKnown: whether this name, in any case, belongs to the owner (configured, running, remembered). Known
    ///     names always fit, and are resolved first. The owner must limit their number, to about 4,096; it is called
    ///     often.
    ///   - report: called with lines for the operator. They quote the network: the caller must make them safe to
    ///     print.
    ///   - onChange: called once within `advance` if any of `services`, `state`, `overflow` may have changed.
    package init(
        bus: SystemBus, types: [String] = ["_ttynvt._tcp"], maxServices: Int = 2048, maxUnresolved: Int = 512,
        settling: UInt64 = .seconds(1),
        accepts: @escaping (_ name: String, _ interface: String) -> Bool = { _, _ in true },
        isKnown: @escaping (_ name: String) -> Bool = { _ in false },
        report: @escaping (String) -> Void = { _ in }, onChange: @escaping () -> Void
    ) {
        self.bus = bus
        self.types = types
        schedule = ListingSchedule(settling: settling)
        self.accepts = accepts
        self.isKnown = isKnown
        self.report = report
        self.onChange = onChange
        catalogue = ServiceCatalogue(maxServices: maxServices, maxUnresolved: maxUnresolved, isKnown: isKnown)
    }

    /// Starts browsing. The next `process` reports errors of the bus.
    package func start() { use(bus) }

    /// Continues with another bus, after the first has ended, or without one for now.
    package func use(_ bus: SystemBus?) {
        self.bus = bus
        forgetAvahi()
        isAvahiMissing = false
        avahi = nil
        pool = nil
        guard let bus else { return }
        avahi = try? AvahiClient(bus, kinds: [.serviceBrowser, .serviceResolver]) { [weak self] isThere in
            self?.avahiChanged(isThere)
        }
        guard let avahi else { return }
        let events = ResolverPool.Events { [weak self] item, resolution in
            self?.catalogue.resolve(item, resolution)
            self?.dropLost()
            self?.hasChanged = true
        } failed: { [weak self] item in
            self?.catalogue.fail(item)
        }
        pool = ResolverPool(avahi, isKnown: isKnown, events)
    }

    /// The results of `accepts` or `isKnown` have changed. Services that are no longer accepted are removed at once,
    /// and everything is listed anew, which finds the newly accepted ones; the others are kept meanwhile. The caller
    /// then calls `advance`.
    package func reload(_ now: MonotonicTime) {
        for item in catalogue.withdraw(where: { [accepts] in !accepts($0, $1) }) { pool?.remove(item) }
        hasChanged = true
        if state == .noAvahi { review(now) } else { list(now) }
    }

    /// Must be called after each `process` of the bus, and at `nextDeadline`.
    package func advance(_ now: MonotonicTime) {
        pool?.advance(now)
        for (type, listing) in listings {
            if let retryAt = listing.retryAt, retryAt <= now { browse(type) }
        }
        if state == .listing, listings.values.allSatisfy(\.isDone) { schedule.heardAll(now) }
        if state == .listing, !isHeard, let heardAt = schedule.heardAt, heardAt <= now {
            isHeard = true
            hasChanged = true
        }
        if state == .listing, let listingEnd, listingEnd <= now { endListing() }
        if let relistAt, relistAt <= now { list(now) }
        guard hasChanged else { return }
        if reviewedAt + Self.reviewPause <= now { review(now) }
        hasChanged = false
        onChange()
    }

    /// When `advance` must be called without an event of the bus; nil: never.
    package var nextDeadline: MonotonicTime? {
        if hasChanged { return MonotonicTime(nanoseconds: 0) }
        let heardAt = state == .listing && !isHeard ? schedule.heardAt : nil
        return ([pool?.nextDeadline, relistAt, listingEnd, heardAt] + listings.values.map(\.retryAt)).compactMap { $0 }
            .min()
    }

    private var listingEnd: MonotonicTime? {
        state == .listing ? schedule.end(isSettled: pool?.isSettled ?? true) : nil
    }

    private var relistAt: MonotonicTime? {
        switch state {
        case .current: schedule.next(overflow: overflow)
        case .listing: isHeard ? schedule.doubtAt : nil
        case .noAvahi: nil
        }
    }

    private func endListing() {
        for item in catalogue.endListing() { pool?.remove(item) }
        dropLost()
        schedule.ended(overflow: overflow)
        if overflow == 0 { hasReportedOverflow = false }
        state = .current
    }

    private func review(_ now: MonotonicTime) {
        reviewedAt = now
        catalogue.review()
        dropLost()
        pool?.review()
    }

    /// Items that lost their places in the catalogue are no longer resolved.
    private func dropLost() {
        for item in catalogue.takeLost() { pool?.remove(item) }
    }

    private func avahiChanged(_ isThere: Bool) {
        forgetAvahi()
        isAvahiMissing = !isThere
        if isThere { list(.now) }
    }

    private func forgetAvahi() {
        pool?.reset()
        listings = [:]
        state = .noAvahi
    }

    /// Lists everything anew; known services are kept until the listing is complete.
    private func list(_ now: MonotonicTime) {
        for listing in listings.values {
            if let path = listing.path { avahi?.free(path, .serviceBrowser) }
        }
        schedule.begin(now)
        isHeard = false
        review(now)
        catalogue.beginListing()
        state = .listing
        listings = Dictionary(uniqueKeysWithValues: Set(types).map { ($0, Listing()) })
        for type in listings.keys { browse(type) }
    }

    private func browse(_ type: String) {
        listings[type] = Listing()
        let arguments: [BusValue] = [
            .int32(AvahiClient.any), .int32(AvahiClient.any), .string(type), .string(""), .uint32(0),
        ]
        avahi?.make(.serviceBrowser, arguments) { [weak self] signal in
            self?.take(signal, type)
        } made: { [weak self] result in
            switch result {
            case .success(let path): self?.listings[type]?.path = path
            case .failure(let error): self?.fail(type, "\(error)")
            }
        }
    }

    private func fail(_ type: String, _ why: String) {
        report("cannot browse \(type): \(why)")
        listings[type]?.path = nil
        listings[type]?.retryAt = .now + Self.pause
    }

    private func take(_ signal: BusSignal, _ type: String) {
        guard let listing = listings[type], listing.path == signal.path else { return }
        switch signal.member {
        case "ItemNew":
            if let item = Self.item(signal.arguments, type) { announce(item, isLocal: Self.isLocal(signal.arguments)) }
        case "ItemRemove": if let item = Self.item(signal.arguments, type) { withdraw(item) }
        case "AllForNow": listings[type]?.isDone = true
        case "Failure":
            avahi?.free(signal.path, .serviceBrowser)
            fail(type, signal.arguments.first?.text ?? "no reason given")
        default: break
        }
    }

    /// ItemNew and ItemRemove: interface, protocol, name, type, domain, flags.
    static func item(_ values: [BusValue], _ type: String) -> ServiceItem? {
        guard values.count == 6, case .int32(let interface) = values[0], case .int32(let transport) = values[1],
            let name = values[2].text, !name.isEmpty, let heardType = values[3].text, DNSName.areSame(heardType, type),
            let domain = values[4].text
        else { return nil }
        return ServiceItem(
            ServiceKey(name: name, type: type, domain: domain), interface: interface, transport: transport)
    }

    /// Whether ItemNew's flags mark an announcement of this machine. An item without flags counts as local, the safe
    /// answer.
    static func isLocal(_ values: [BusValue]) -> Bool {
        guard case .uint32(let flags)? = values.last else { return true }
        return flags & localFlag != 0
    }

    private func announce(_ item: ServiceItem, isLocal: Bool) {
        let interface = Self.interfaceName(item.interface)
        guard accepts(item.service.name, interface) else { return }
        let overflowBefore = overflow
        let announcement = catalogue.announce(item, interfaceName: interface, isLocal: isLocal)
        dropLost()
        if announcement != .refused { pool?.add(item, isAwaited: state == .listing && schedule.awaits(.now)) }
        if overflow > overflowBefore { reportOverflow() }
        if announcement != .refused || overflowBefore == 0 { hasChanged = true }
    }

    private func withdraw(_ item: ServiceItem) {
        guard catalogue.contains(item) else { return }
        catalogue.withdraw(item)
        dropLost()
        pool?.remove(item)
        if isKnown(item.service.name) { schedule.doubt(.now) }
        hasChanged = true
    }

    private func reportOverflow() {
        guard !hasReportedOverflow else { return }
        hasReportedOverflow = true
        report(
            "too many new names are announced (\(catalogue.maxServices) are kept, and \(catalogue.maxUnresolved) that have "
                + "no address yet): the rest is passed over; known ports are not affected; to admit fewer, set allow-names "
                + "or allow-interfaces")
    }

    /// An interface's name; its number if the interface has just disappeared.
    private static func interfaceName(_ index: Int32) -> String {
        guard index > 0 else { return "" }
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(UInt32(index), &name) != nil else { return "\(index)" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
