import Discovery
import Glibc
import Platform
import SerialLine
import SystemBus

/// `browse --watch`: prints services as they appear, change and disappear.
final class BrowseWatch {
    private let types: [String]
    private let json: Bool
    private var shown: [ServiceKey: DiscoveredService] = [:]
    /// When changes are printed: a service announced by IPv4 and IPv6, or on several interfaces, is one line.
    private var showAt: MonotonicTime?
    private var lastSaid = ""

    /// Time in which changes are collected, in nanoseconds.
    private static let pause: UInt64 = .milliseconds(300)
    /// Interval of attempts to reach the bus, in nanoseconds.
    private static let busPause: UInt64 = .seconds(1)

    init(_ types: [String], json: Bool) {
        self.types = types
        self.json = json
    }

    func run(_ first: SystemBus) throws {
        let browser = ServiceBrowser(bus: first, types: types, report: Browse.note) { [unowned self] in
            showAt = showAt ?? .now + Self.pause
        }
        browser.start()
        var bus: SystemBus? = first
        while true {
            if let open = bus {
                do {
                    try browser.wait(on: open, until: showAt)
                } catch {
                    say("\(error)")
                    bus = nil
                    browser.use(nil)
                }
            } else {
                usleep(UInt32(Self.busPause / 1000))
                bus = try? SystemBus.open()
                if let bus { browser.use(bus) }
            }
            if let showAt, showAt <= .now {
                self.showAt = nil
                show(browser)
            }
        }
    }

    private func show(_ browser: ServiceBrowser) {
        if browser.isAvahiMissing {
            say("Avahi is not running; waiting for it")
        } else if browser.state != .noAvahi, !lastSaid.isEmpty {
            say("Avahi is running")
            lastSaid = ""
        }
        let services = browser.services.filter(\.isResolved)
        for service in services where shown[service.key] != service {
            let isNew = shown.updateValue(service, forKey: service.key) == nil
            show(isNew ? ("+", "appeared") : ("~", "changed"), service)
        }
        let keys = Set(browser.services.map(\.key))
        for key in shown.keys.filter({ !keys.contains($0) }).sorted() {
            if let service = shown.removeValue(forKey: key) { show(("-", "vanished"), service) }
        }
        fflush(nil)
    }

    private func show(_ event: (sign: String, word: String), _ service: DiscoveredService) {
        if json {
            print(JSON.object([("event", .string(event.word))] + service.members).line)
        } else {
            var cells = service.cells
            if types.count > 1 { cells.append(service.type) }
            print(event.sign, cells.filter { !$0.isEmpty }.joined(separator: "  "))
        }
    }

    /// Prints a line on standard error, unless it repeats the last one.
    private func say(_ text: String) {
        guard text != lastSaid else { return }
        lastSaid = text
        Browse.note(text)
    }
}
