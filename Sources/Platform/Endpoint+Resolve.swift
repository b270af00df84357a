import Glibc
import SerialLine

extension Endpoint {
    /// Resolves the endpoint to all its addresses, in the resolver's order of preference. Blocks until the resolver
    /// has answered, unless `numericOnly` is set.
    /// - Parameter numericOnly: accepts only a numeric address, and asks no name server.
    package func resolve(passive: Bool = false, numericOnly: Bool = false) throws(ResolveError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) | (numericOnly ? AI_NUMERICHOST : 0)
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
    /// - Returns: nil if the call fills in none.
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

    /// Creates the address from the bytes that system calls use (`ServerAddress.bytes`).
    /// - Returns: nil if the bytes cannot be a socket address.
    package init?(bytes: [UInt8]) {
        guard bytes.count >= MemoryLayout<sa_family_t>.size, bytes.count <= MemoryLayout<sockaddr_storage>.size else {
            return nil
        }
        length = socklen_t(bytes.count)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
    }

    /// The address in the form that system calls use.
    package var bytes: [UInt8] { withUnsafeBytes(of: storage) { Array($0.prefix(Int(length))) } }

    package var family: Int32 { Int32(storage.ss_family) }

    /// Runs `body` with the address in the form that socket calls use.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) { raw in
            // sockaddr_storage may be read as any sockaddr, and is aligned for all of them.
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
