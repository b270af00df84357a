import SerialLine

/// Identifies a service. Compared as DNS compares names; the spelling is the announcer's.
package struct ServiceKey: Hashable, Comparable, Sendable {
    package let name: String
    package let type: String
    package let domain: String
    /// Name, type and domain in the form that is compared. No text from the bus contains NUL.
    private let folded: [UInt8]

    package init(name: String, type: String, domain: String) {
        self.name = name
        self.type = type
        self.domain = domain
        folded = DNSName.folded(label: name) + [0] + DNSName.folded(type) + [0] + DNSName.folded(domain)
    }

    package static func == (a: ServiceKey, b: ServiceKey) -> Bool { a.folded == b.folded }

    package func hash(into hasher: inout Hasher) { hasher.combine(folded) }

    package static func < (a: ServiceKey, b: ServiceKey) -> Bool { a.folded.lexicographicallyPrecedes(b.folded) }
}

/// One announcement of a service, on a network interface, by IPv4 or IPv6. Avahi calls it an item.
package struct ServiceItem: Hashable, Sendable {
    package let service: ServiceKey
    /// The interface's index.
    package let interface: Int32
    /// Avahi's number of the protocol by which the announcement came: 0 IPv4, 1 IPv6.
    package let transport: Int32

    package init(_ service: ServiceKey, interface: Int32, transport: Int32) {
        self.service = service
        self.interface = interface
        self.transport = transport
    }
}

/// The address of an item's server.
package struct Resolution: Sendable, Equatable {
    /// Longest host name in Avahi's notation, in bytes (AVAHI_DOMAIN_NAME_MAX): DNS allows 255, and Avahi escapes
    /// some of them.
    package static let longestHost = 1014

    package let host: String
    package let address: String
    package let port: UInt16
    package let txt: TXTRecord

    /// - Returns: nil if no server can have these values: port 0 (RFC 6763, section 6: "not available"), or a
    ///   malformed address or host name.
    package init?(host: String, address: String, port: UInt16, txt: TXTRecord) {
        guard port > 0, AddressRank(address) != nil, !host.isEmpty, host.utf8.count <= Self.longestHost else {
            return nil
        }
        self.host = host
        self.address = address
        self.port = port
        self.txt = txt
    }
}

/// Kinds of addresses, in the order in which they are tried.
enum AddressRank: Int, Comparable {
    case ipv4
    case linkLocalIPv4
    case ipv6
    case linkLocalIPv6

    static func < (a: AddressRank, b: AddressRank) -> Bool { a.rawValue < b.rawValue }

    /// - Returns: nil if the text is not an address.
    init?(_ address: String) {
        let isHex: (UInt8) -> Bool = { Character(UnicodeScalar($0)).isHexDigit }
        let bytes = address.utf8
        guard bytes.count <= 45 else { return nil }
        if bytes.contains(UInt8(ascii: ":")) {
            guard bytes.allSatisfy({ isHex($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }) else {
                return nil
            }
            // fe80::/10
            let first = UInt16(address.prefix { $0 != ":" }, radix: 16) ?? 0
            self = first & 0xFFC0 == 0xFE80 ? .linkLocalIPv6 : .ipv6
        } else {
            let parts = address.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 4, parts.allSatisfy({ $0.utf8.count <= 3 && UInt8($0) != nil && $0.first != "+" })
            else { return nil }
            self = address.hasPrefix("169.254.") ? .linkLocalIPv4 : .ipv4
        }
    }
}
