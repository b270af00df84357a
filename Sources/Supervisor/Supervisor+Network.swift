import Discovery
import Logging
import Platform
import PortPlan
import SerialLine
import SystemBus

// The system bus, and Avahi.
extension Supervisor {
    private static let busPause: UInt64 = .seconds(5)
    /// Shortest interval between two evaluations of all announcements, in nanoseconds.
    private static let announcementsPause: UInt64 = .milliseconds(200)
    /// Interval of reading this machine's addresses, in nanoseconds.
    private static let networksPause: UInt64 = .seconds(5)

    /// Connects to the bus; repeats that later if it fails. Ports with configured servers need no bus.
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

    /// Starts browsing the configured types anew.
    func restartBrowser(_ now: MonotonicTime) {
        browser = nil
        let types = planner.configuration.types
        // Known names always fit, so the names of running ports are needed before the first announcement.
        guard let bus, !types.isEmpty, adopting != nil || patienceEnds == nil else { return takeAnnouncements(now) }
        let browser = ServiceBrowser(
            bus: bus, types: types, maxServices: 2048,
            accepts: { [weak self] name, interface in
                guard let configuration = self?.planner.configuration else { return false }
                return configuration.names.admits(name) && configuration.interfaces.admits(interface)
            },
            isKnown: { [weak self] name in self?.isKnown(name) ?? false },
            report: { [log] in log.warning("\($0)") },
            onChange: { [weak self] in self?.hasAnnouncements = true })
        self.browser = browser
        browser.start()
    }

    /// Whether it is the name of a configured, remembered, announced or running port.
    private func isKnown(_ name: String) -> Bool {
        planner.knows(name) || (try? DeviceName(port: name)).map(rounds.contains) ?? false
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
        if nextNetworks <= now {
            nextNetworks = now + Self.networksPause
            readNetworks(now)
        }
        if hasAnnouncements, nextAnnouncements <= now {
            readNetworks(now)
            takeAnnouncements(now)
        }
    }

    /// Reads the addresses of this machine's interfaces, with which announced addresses are compared.
    private func readNetworks(_ now: MonotonicTime) {
        guard let addresses = try? InterfaceAddress.all() else { return }
        var networks = NetworkView()
        for own in addresses {
            guard let address = IPAddress(bytes: own.bytes) else { continue }
            networks.add(address, prefix: own.prefixLength, interface: own.interface)
        }
        planner.setNetworks(networks, now)
    }

    private func takeAnnouncements(_ now: MonotonicTime) {
        hasAnnouncements = false
        nextAnnouncements = now + Self.announcementsPause
        let announcements = (browser?.services ?? []).map { service in
            // A service is announced even while its host cannot be resolved.
            let unresolved = service.interfaces.map { Announcement.Claim(host: "", interface: $0, endpoints: []) }
            return Announcement(
                name: service.name, type: service.type, domain: service.domain,
                claims: service.claims.isEmpty ? unresolved : service.claims.map(\.claim))
        }
        planner.update(announcements, isComplete: browser?.isConclusive ?? false, now)
        guard let browser else { return }
        switch browser.state {
        case .noAvahi where bus != nil:
            sayNetwork("Avahi is not running, so no announcements are received: systemctl start avahi-daemon")
        case .current:
            if !saidNetwork.isEmpty { log.notice("announcements are received again") }
            saidNetwork = ""
        default: break
        }
    }

    /// Logs once the reason why announcements cannot be received.
    func sayNetwork(_ what: String) {
        guard what != saidNetwork else { return }
        saidNetwork = what
        log.warning("\(what)")
    }
}

extension ServiceClaim {
    /// The claim in the plan's form.
    fileprivate var claim: Announcement.Claim {
        Announcement.Claim(
            host: host, interface: interface, isLocal: isLocal, endpoints: endpoints, security: txt.security,
            functionClass: txt.functionClass, gensioStack: txt.gensioStack)
    }
}
