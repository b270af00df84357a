import SerialLine

/// One service, whichever way it is seen. Compared as DNS compares names; the spelling is that of whoever made it.
package struct ServiceKey: Hashable, Comparable, Sendable {
    package let name: String
    package let type: String
    package let domain: String
    /// All three, as they are compared. No text from the bus has a NUL.
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

/// One announcement of a service: on a network interface, by IPv4 or IPv6. Avahi's word for it is item.
package struct ServiceItem: Hashable, Sendable {
    package let service: ServiceKey
    /// The interface's index.
    package let interface: Int32
    /// Avahi's number of the protocol the announcement came by: 0 IPv4, 1 IPv6.
    package let transport: Int32

    package init(_ service: ServiceKey, interface: Int32, transport: Int32) {
        self.service = service
        self.interface = interface
        self.transport = transport
    }
}

/// The place of an item's server.
package struct Resolution: Sendable, Equatable {
    /// Most bytes of a host's name as Avahi writes it (AVAHI_DOMAIN_NAME_MAX): DNS allows 255, and Avahi escapes some.
    package static let longestHost = 1014

    package let host: String
    package let address: String
    package let port: UInt16
    package let txt: TXTRecord

    /// - Returns: nil for what no server can have: a port of 0 (RFC 6763, section 6: "not available"), an address or a
    ///   host's name that is none.
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

/// Kinds of addresses, the one to try first first.
enum AddressRank: Int, Comparable {
    case ipv4
    case linkLocalIPv4
    case ipv6
    case linkLocalIPv6

    static func < (a: AddressRank, b: AddressRank) -> Bool { a.rawValue < b.rawValue }

    /// - Returns: nil if the text is no address.
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
