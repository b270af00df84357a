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
/// It holds levels, not edges: `services` is what there is. Avahi that is not there, or goes and comes back, is its
/// business: everything is listed anew then, and what was known stays until the new listing is complete. When the bus
/// itself goes, the owner opens another one and hands it to `use`.
///
/// Concurrency model: the thread of its SystemBus.
package final class ServiceBrowser {
    package enum State: String, Sendable {
        /// Avahi is not there (or not the bus): `services` is what was known.
        case noAvahi
        /// Asked, and not all has been answered yet.
        case listing
        /// `services` is what there is.
        case current
    }

    /// What is browsed for one type.
    private struct Listing {
        var path: String?
        var isDone = false
        /// When to ask again, after a failure.
        var retryAt: MonotonicTime?
    }

    /// What could not be asked is asked again so much later, in nanoseconds.
    private static let pause: UInt64 = .seconds(10)
    /// Where announcements were passed over, and there is room again, all is listed anew; not more often than this.
    private static let relistPause: UInt64 = .seconds(60)

    private let types: [String]
    private let settling: UInt64
    private let accepts: (String, String) -> Bool
    private let report: (String) -> Void
    private let onChange: () -> Void
    private var bus: SystemBus?
    private var avahi: AvahiClient?
    private var pool: ResolverPool?
    private var catalogue: ServiceCatalogue
    private var listings: [String: Listing] = [:]
    private var listedAt = MonotonicTime(nanoseconds: 0)
    /// When the listing counts as complete, if all has been resolved by then; nil while Avahi has more to say.
    private var settledAt: MonotonicTime?
    private var hasReportedOverflow = false
    private var hasChanged = false

    package private(set) var state = State.noAvahi {
        didSet { if state != oldValue { hasChanged = true } }
    }
    /// The bus is there and says that nobody is Avahi; false while that is not known.
    package private(set) var isAvahiMissing = false {
        didSet { if isAvahiMissing != oldValue { hasChanged = true } }
    }
    /// All that is known, sorted by name, then type, then domain; those not resolved yet are in it without endpoints.
    package var services: [DiscoveredService] { catalogue.services }
    /// Avahi is there, every type has been listed, and every item has been resolved, or could not be.
    package var isComplete: Bool { state == .current }
    /// Announcements past what is kept: names past `maxServices`, places of one name past eight.
    package var overflow: Int { catalogue.overflow }

    /// - Parameters:
    ///   - types: such as `_ttynvt._tcp`.
    ///   - maxServices: most names kept.
    ///   - settling: nanoseconds from "all for now" on for which a listing is not complete yet. Avahi says so a second
    ///     after its first query, when it sends the second one: whose answers the network lost are in then.
    ///   - accepts: is a service of this name on this network interface wanted? Asked before anything is resolved.
    ///   - report: told what an operator should know, a line each; quotes the network: clean it.
    ///   - onChange: called within `advance`, once, when any of `services`, `state`, `overflow` may have changed.
    package init(
        bus: SystemBus, types: [String] = ["_ttynvt._tcp"], maxServices: Int = 2048,
        settling: UInt64 = .seconds(1),
        accepts: @escaping (_ name: String, _ interface: String) -> Bool = { _, _ in true },
        report: @escaping (String) -> Void = { _ in }, onChange: @escaping () -> Void
    ) {
        self.bus = bus
        self.types = types
        self.settling = settling
        self.accepts = accepts
        self.report = report
        self.onChange = onChange
        catalogue = ServiceCatalogue(maxServices: maxServices)
    }

    /// Begins. Errors of the bus show when it is next processed.
    package func start() { use(bus) }

    /// Goes on with another bus, after the first has gone, or with none for now.
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
        pool = ResolverPool(avahi) { [weak self] item, resolution in
            self?.catalogue.resolve(item, resolution)
            self?.hasChanged = true
        }
    }

    /// To be called after each `process` of the bus, and when `nextDeadline` has come.
    package func advance(_ now: MonotonicTime) {
        pool?.advance(now)
        for (type, listing) in listings {
            if let retryAt = listing.retryAt, retryAt <= now { browse(type) }
        }
        if state == .listing, settledAt == nil, listings.values.allSatisfy(\.isDone) { settledAt = now + settling }
        if state == .listing, let settledAt, settledAt <= now, let pool, pool.isSettled {
            for item in catalogue.endListing() { pool.remove(item) }
            state = .current
        }
        if let relistAt, relistAt <= now { list(now) }
        guard hasChanged else { return }
        hasChanged = false
        onChange()
    }

    /// When `advance` is to be called, whatever the bus says; nil: not before the bus says something.
    package var nextDeadline: MonotonicTime? {
        if hasChanged { return MonotonicTime(nanoseconds: 0) }
        let settledAt = state == .listing && pool?.isSettled == true ? settledAt : nil
        return ([pool?.nextDeadline, relistAt, settledAt] + listings.values.map(\.retryAt)).compactMap { $0 }.min()
    }

    private var relistAt: MonotonicTime? {
        guard state == .current, catalogue.overflow > 0, catalogue.count < catalogue.maxServices else { return nil }
        return listedAt + Self.relistPause
    }

    private func avahiChanged(_ isThere: Bool) {
        forgetAvahi()
        isAvahiMissing = !isThere
        if isThere { list(.now) }
    }

    private func forgetAvahi() {
        pool?.reset()
        listings = [:]
        settledAt = nil
        state = .noAvahi
    }

    /// Lists everything anew; what is known stays until that is done.
    private func list(_ now: MonotonicTime) {
        for listing in listings.values {
            if let path = listing.path { avahi?.free(path, .serviceBrowser) }
        }
        listedAt = now
        settledAt = nil
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
        case "ItemNew": if let item = Self.item(signal.arguments, type) { announce(item) }
        case "ItemRemove": if let item = Self.item(signal.arguments, type) { withdraw(item) }
        case "AllForNow": listings[type]?.isDone = true
        case "Failure":
            avahi?.free(signal.path, .serviceBrowser)
            fail(type, signal.arguments.first?.text ?? "no reason given")
        default: break
        }
    }

    /// ItemNew and ItemRemove: interface, protocol, name, type, domain, flags.
    private static func item(_ values: [BusValue], _ type: String) -> ServiceItem? {
        guard values.count == 6, case .int32(let interface) = values[0], case .int32(let transport) = values[1],
            let name = values[2].text, !name.isEmpty, values[3].text?.lowercased() == type.lowercased(),
            let domain = values[4].text
        else { return nil }
        return ServiceItem(
            ServiceKey(name: name, type: type, domain: domain), interface: interface, transport: transport)
    }

    private func announce(_ item: ServiceItem) {
        let interface = Self.interfaceName(item.interface)
        guard accepts(item.service.name, interface) else { return }
        hasChanged = true
        guard catalogue.announce(item, interfaceName: interface) != .refused else { return reportOverflow() }
        pool?.add(item)
    }

    private func withdraw(_ item: ServiceItem) {
        // An interface that has gone has no name left that could be asked for: known items go in any case.
        guard
            catalogue.contains(item) || accepts(item.service.name, Self.interfaceName(item.interface))
        else { return }
        catalogue.withdraw(item)
        pool?.remove(item)
        hasChanged = true
    }

    private func reportOverflow() {
        guard !hasReportedOverflow else { return }
        hasReportedOverflow = true
        report(
            "more is announced than is kept (\(catalogue.maxServices) services, "
                + "\(ServiceCatalogue.mostItems) places of each): the rest is passed over")
    }

    /// An interface's name; its number where it has just gone.
    private static func interfaceName(_ index: Int32) -> String {
        guard index > 0 else { return "" }
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(UInt32(index), &name) != nil else { return "\(index)" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
