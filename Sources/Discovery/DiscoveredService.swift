import SerialLine

/// The word of one host about a service on one network interface. Another host, or the same host on another interface,
/// makes another claim, and this machine's own announcements make claims of their own: no claim can change another one.
package struct ServiceClaim: Sendable, Equatable {
    /// The server's host name, as it was spelled with the first endpoint.
    package var host: String
    /// The name of the network interface on which it was heard.
    package var interface: String
    /// Announced by this machine (AVAHI_LOOKUP_RESULT_LOCAL), whatever host it names.
    package var isLocal: Bool
    /// Where to connect, in the order to try; never empty as it comes from `ServiceBrowser`.
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

/// One service of the network as the last words about it have it: what all interfaces and protocols say, in one.
///
/// Every text in it is the network's: valid UTF-8, and nothing else is certain. Clean it where it is shown.
package struct DiscoveredService: Sendable, Equatable {
    /// The instance's name, `MIO04-1-com1`, as it was spelled when it was first heard.
    package var name: String
    /// `_ttynvt._tcp`
    package var type: String
    /// `local`
    package var domain: String
    /// One claim for each host and interface, sorted by interface, then host; of two claims of one host on one interface,
    /// the local one comes second. Empty until an item has been resolved.
    package var claims: [ServiceClaim]
    /// The host name of the claim with the best address; empty until an item has been resolved.
    package var host: String
    /// The endpoints of that host on all interfaces, in the order to try: IPv4 before IPv6, each by its address's reach;
    /// link-local IPv6 addresses carry their interface, `fe80::1%eth0`. Empty until an item has been resolved.
    package var endpoints: [Endpoint]
    /// The network interfaces on which it is announced, sorted.
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
    /// The endpoints' addresses, each once, in order.
    package var addresses: [String] {
        var addresses: [String] = []
        for endpoint in endpoints where !addresses.contains(endpoint.host) { addresses.append(endpoint.host) }
        return addresses
    }
    /// Announced, and where it is is known.
    package var isResolved: Bool { !endpoints.isEmpty }
}
