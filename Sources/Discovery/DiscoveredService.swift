import SerialLine

/// An announcement of a service by one host on one network interface. Another host, or the same host on another
/// interface, makes another claim, and so do this machine's own announcements: no claim can change another one.
package struct ServiceClaim: Sendable, Equatable {
    /// The server's host name, in the spelling of the first endpoint.
    package var host: String
    /// Name of the network interface on which the announcement was received.
    package var interface: String
    /// Announced by this machine (AVAHI_LOOKUP_RESULT_LOCAL), with any host name.
    package var isLocal: Bool
    /// The addresses to connect to, in order; `ServiceBrowser` never returns an empty list.
    package var endpoints: [Endpoint]
    package var txt: TXTRecord

    package init(host: String, interface: String, isLocal: Bool, endpoints: [Endpoint], txt: TXTRecord = TXTRecord()) {
        self.host = host
        self.interface = interface
        self.isLocal = isLocal
        self.endpoints = endpoints
        self.txt = txt
    }
}

/// One service, merged from the latest announcements on all interfaces and protocols.
///
/// All texts come from the network: they are valid UTF-8, but otherwise arbitrary, and must be made safe before they
/// are printed.
package struct DiscoveredService: Sendable, Equatable {
    /// The instance name, `MIO04-1-com1`, in the spelling that was received first.
    package var name: String
    /// `_ttynvt._tcp`
    package var type: String
    /// `local`
    package var domain: String
    /// One claim for each host and interface, sorted by interface, then host; the local claim of a host on an
    /// interface follows the other one. Empty until an item was resolved.
    package var claims: [ServiceClaim]
    /// The host name of the claim with the best address; empty until an item was resolved.
    package var host: String
    /// The endpoints of that host on all interfaces, in the order to try: IPv4 before IPv6, each by the scope of its
    /// address; link-local IPv6 addresses contain their interface, `fe80::1%eth0`. Empty until an item was resolved.
    package var endpoints: [Endpoint]
    /// Names of the network interfaces on which the service is announced, sorted.
    package var interfaces: [String]
    package var txt: TXTRecord

    package init(
        name: String, type: String, domain: String, claims: [ServiceClaim] = [], host: String = "",
        endpoints: [Endpoint] = [], interfaces: [String] = [], txt: TXTRecord = TXTRecord()
    ) {
        self.name = name
        self.type = type
        self.domain = domain
        self.claims = claims
        self.host = host
        self.endpoints = endpoints
        self.interfaces = interfaces
        self.txt = txt
    }

    /// The TCP port of the first endpoint.
    package var port: UInt16? { endpoints.first?.port }
    /// The addresses of the endpoints, without duplicates, in order.
    package var addresses: [String] {
        var addresses: [String] = []
        for endpoint in endpoints where !addresses.contains(endpoint.host) { addresses.append(endpoint.host) }
        return addresses
    }
    /// Whether an address of the service is known.
    package var isResolved: Bool { !endpoints.isEmpty }
}
