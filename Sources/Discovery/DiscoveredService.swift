import SerialLine

/// One service of the network as the last words about it have it: what all interfaces and protocols say, in one.
///
/// Every text in it is the network's: valid UTF-8, and nothing else is certain. Clean it where it is shown.
package struct DiscoveredService: Sendable, Equatable {
    /// The instance's name, `MIO04-1-com1`.
    package var name: String
    /// `_ttynvt._tcp`
    package var type: String
    /// `local`
    package var domain: String
    /// The server's host name; empty where nothing is known of it yet.
    package var host: String
    /// Where to connect, in the order to try: IPv4 before IPv6, each by its address's reach; link-local IPv6 addresses
    /// carry their interface, `fe80::1%eth0`. Empty where nothing is known yet.
    package var endpoints: [Endpoint]
    /// The network interfaces on which it is announced, sorted.
    package var interfaces: [String]
    package var txt: TXTRecord

    package init(
        name: String, type: String, domain: String, host: String = "", endpoints: [Endpoint] = [],
        interfaces: [String] = [], txt: TXTRecord = TXTRecord()
    ) {
        self.name = name
        self.type = type
        self.domain = domain
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
