/// The address of a TCP server: `host:port`, `address:port` or `[v6 address]:port`.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The reason why a text is not an endpoint.
    package enum ParseError: Error, Equatable, CustomStringConvertible {
        case noPort
        case badPort(String)
        case noHost
        case bareIPv6
        case badHost

        package var description: String {
            switch self {
            case .noPort: "no port: write host:port, or [address]:port for IPv6"
            case .badPort(let text): "port '\(text)' is not a number from 1 to 65535"
            case .noHost: "no host before the port"
            case .bareIPv6: "an IPv6 address goes in brackets: [address]:port"
            case .badHost: "the host contains characters that are not allowed in a host name or address"
            }
        }
    }

    /// The URL scheme of RFC 2217 servers, as pyserial writes it.
    private static let scheme = "rfc2217://"

    /// Parses `host:port`, or `rfc2217://host:port`, which means the same.
    package init(parsing text: String) throws(ParseError) {
        let text =
            text.prefix(Self.scheme.count).lowercased() == Self.scheme ? text.dropFirst(Self.scheme.count) : text[...]
        guard let colon = text.lastIndex(of: ":") else { throw .noPort }
        var host = text[..<colon]
        let portText = text[text.index(after: colon)...]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { throw portText.contains("]") ? .noPort : .bareIPv6 }
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { throw .badHost }
        } else if host.contains(":") {
            throw .bareIPv6
        }
        guard !host.isEmpty else { throw .noHost }
        guard host.utf8.allSatisfy(Self.isHostCharacter), host.utf8.count <= 255 else { throw .badHost }
        guard !portText.isEmpty, portText.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(portText),
            port > 0
        else { throw .badPort(String(portText)) }
        self.init(host: String(host), port: port)
    }

    /// The characters of names, addresses and zones (`fe80::1%eth0`): none has a special meaning to a shell, to
    /// systemd, or in a list of servers.
    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
            UInt8(ascii: ":"), UInt8(ascii: "%"):
            true
        default: false
        }
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
