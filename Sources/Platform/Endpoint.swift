import Glibc

/// Where a TCP server is: `host:port`, `address:port` or `[v6 address]:port`.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Why a text is no endpoint.
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
            case .badHost: "the host has characters that no host name or address has"
            }
        }
    }

    package init(parsing text: String) throws(ParseError) {
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
        // No blank or control character, no slash, and no bracket within brackets.
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x5B && $0 != 0x5D }),
            host.utf8.count <= 255
        else { throw .badHost }
        guard !portText.isEmpty, portText.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(portText),
            port > 0
        else { throw .badPort(String(portText)) }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Every address of the endpoint, in the resolver's order of preference. Blocks for as long as the resolver does.
    package func resolve(passive: Bool = false) throws(ResolveError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0 else {
            throw ResolveError(host: host, reason: String(cString: gai_strerror(result)))
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = SocketAddress(entry.pointee) { addresses.append(address) }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}

/// A host name that has no address.
package struct ResolveError: Error, CustomStringConvertible {
    package let host: String
    package let reason: String

    package init(host: String, reason: String) {
        self.host = host
        self.reason = reason
    }

    package var description: String { "cannot find the address of '\(host)': \(reason)" }
}

/// A resolved socket address, IPv4 or IPv6.
package struct SocketAddress: Sendable, CustomStringConvertible {
    private var storage = sockaddr_storage()
    private let length: socklen_t

    fileprivate init?(_ info: addrinfo) {
        guard let address = info.ai_addr, Int(info.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size else {
            return nil
        }
        length = info.ai_addrlen
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
        }
    }

    /// The address that a call such as accept(2) or getsockname(2) fills in.
    /// - Returns: nil where the call leaves none.
    package init?(filledBy body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Void) {
        var filled = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &filled) { raw in
            guard let base = raw.baseAddress else { return }
            body(base.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard filled.ss_family != 0, Int(length) <= MemoryLayout<sockaddr_storage>.size else { return nil }
        storage = filled
        self.length = length
    }

    package var family: Int32 { Int32(storage.ss_family) }

    /// Runs `body` with the address as the socket calls want it.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) { raw in
            // sockaddr_storage is made to be read as any sockaddr; it is aligned for all.
            guard let base = raw.baseAddress else { preconditionFailure("sockaddr_storage has a size") }
            return body(base.assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    package var description: String {
        var host = [CChar](repeating: 0, count: 64)
        var port = [CChar](repeating: 0, count: 8)
        let result = withSockaddr { address, length in
            getnameinfo(
                address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard result == 0 else { return "?" }
        let name = String(decoding: host.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let number = String(decoding: port.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return name.contains(":") ? "[\(name)]:\(number)" : "\(name):\(number)"
    }
}
