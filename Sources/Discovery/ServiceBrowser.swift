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

    /// All that is known, sorted by name, then type, then domain; those not resolved yet are in it without endpoints.
    package private(set) var services: [DiscoveredService] = []
    package private(set) var state = State.noAvahi
    /// Avahi is there, every type has been listed, and every item has been resolved, or could not be.
    package var isComplete: Bool { state == .current }
    /// Announcements past what is kept: names past `maxServices`, places of one name past eight.
    package private(set) var overflow = 0

    /// - Parameters:
    ///   - types: such as `_ttynvt._tcp`.
    ///   - maxServices: most names kept.
    ///   - accepts: is a service of this name on this network interface wanted? Asked before anything is resolved.
    ///   - report: told what an operator should know, a line each; quotes the network: clean it.
    ///   - onChange: called within `advance`, once, when any of `services`, `state`, `overflow` has changed.
    package init(
        bus: SystemBus, types: [String] = ["_ttynvt._tcp"], maxServices: Int = 2048,
        accepts: @escaping (_ name: String, _ interface: String) -> Bool = { _, _ in true },
        report: @escaping (String) -> Void = { _ in }, onChange: @escaping () -> Void
    ) {}

    /// Begins. Errors of the bus show when it is next processed.
    package func start() {}

    /// Goes on with another bus, after the first has gone, or none.
    package func use(_ bus: SystemBus?) {}

    /// To be called after each `process` of the bus, and when `nextDeadline` has come.
    package func advance(_ now: MonotonicTime) {}

    /// When `advance` is to be called, whatever the bus says; nil: not before the bus says something.
    package var nextDeadline: MonotonicTime? { nil }
}
