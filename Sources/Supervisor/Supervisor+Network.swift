import Discovery
import Logging
import Platform
import PortPlan
import SerialLine
import SystemBus

// The system bus and what Avahi says on it.
extension Supervisor {
    private static let busPause: UInt64 = .seconds(5)

    /// Connects to the bus; where that fails, tries again later. Static ports need none.
    func connect(_ now: MonotonicTime) {
        nextBus = nil
        do throws(BusError) {
            bus = try SystemBus.open()
        } catch {
            bus = nil
            nextBus = now + Self.busPause
            if !planner.configuration.types.isEmpty || launcher is SystemdLauncher { sayNetwork("\(error)") }
        }
        launcher.use(bus)
        if browser == nil { restartBrowser(now) } else { browser?.use(bus) }
    }

    /// Looks for the configured types from scratch.
    func restartBrowser(_ now: MonotonicTime) {
        browser = nil
        let types = planner.configuration.types
        guard let bus, !types.isEmpty else { return takeAnnouncements(now) }
        let browser = ServiceBrowser(
            bus: bus, types: types, maxServices: 2048,
            accepts: { [weak self] name, interface in
                guard let configuration = self?.planner.configuration else { return false }
                return configuration.names.admits(name) && configuration.interfaces.admits(interface)
            },
            isKnown: { [weak self] name in
                guard let self, let name = try? DeviceName(port: name) else { return false }
                return planner.wanted.contains { $0.name == name }
            },
            report: { [log] in log.warning("\($0)") },
            onChange: { [weak self] in self?.takeAnnouncements(.now) })
        self.browser = browser
        browser.start()
    }

    func processNetwork(_ now: MonotonicTime) {
        if let bus {
            do throws(BusError) {
                try bus.process()
            } catch {
                sayNetwork("\(error)")
                self.bus = nil
                launcher.use(nil)
                browser?.use(nil)
                nextBus = now + Self.busPause
            }
        }
        if let nextBus, nextBus <= now { connect(now) }
        browser?.advance(now)
    }

    private func takeAnnouncements(_ now: MonotonicTime) {
        let announcements = (browser?.services ?? []).map {
            let claim = Announcement.Claim(
                host: $0.host, interface: $0.interfaces.first ?? "", endpoints: $0.endpoints, security: $0.txt.security,
                functionClass: $0.txt.functionClass, gensioStack: $0.txt.gensioStack)
            return Announcement(name: $0.name, type: $0.type, domain: $0.domain, claims: [claim])
        }
        planner.update(announcements, isComplete: browser?.isComplete ?? false, now)
        guard let browser else { return }
        switch browser.state {
        case .noAvahi where bus != nil:
            sayNetwork("Avahi is not running: no announcement is heard (systemctl start avahi-daemon)")
        case .current:
            if !saidNetwork.isEmpty { log.notice("the network is heard again") }
            saidNetwork = ""
        default: break
        }
    }

    /// Says once what keeps the network from being heard.
    func sayNetwork(_ what: String) {
        guard what != saidNetwork else { return }
        saidNetwork = what
        log.warning("\(what)")
    }
}
