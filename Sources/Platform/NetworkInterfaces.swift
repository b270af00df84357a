import Glibc
import SystemPackage

/// An address of a network interface of this machine.
package struct InterfaceAddress: Hashable, Sendable {
    /// The interface's name.
    package let interface: String
    /// 4 bytes of IPv4, or 16 of IPv6.
    package let bytes: [UInt8]
    /// Length of the network prefix in bits.
    package let prefixLength: Int

    package init(interface: String, bytes: [UInt8], prefixLength: Int) {
        self.interface = interface
        self.bytes = bytes
        self.prefixLength = prefixLength
    }

    /// All addresses of interfaces that are up (getifaddrs(3)).
    package static func all() throws(Errno) -> [InterfaceAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        try syscall("getifaddrs") { getifaddrs(&list) }
        defer { freeifaddrs(list) }
        var addresses: [InterfaceAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard entry.ifa_flags & UInt32(IFF_UP) != 0, let bytes = bytes(of: entry.ifa_addr) else {
                continue
            }
            let mask = Self.bytes(of: entry.ifa_netmask) ?? []
            addresses.append(
                InterfaceAddress(
                    interface: String(cString: entry.ifa_name), bytes: bytes,
                    prefixLength: mask.reduce(0) { $0 + $1.nonzeroBitCount }))
        }
        return addresses
    }

    /// - Returns: nil if the address is neither IPv4 nor IPv6.
    private static func bytes(of address: UnsafeMutablePointer<sockaddr>?) -> [UInt8]? {
        guard let address else { return nil }
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET: return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
        case AF_INET6: return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
        default: return nil
        }
    }
}
