/// An IPv4 or IPv6 address. `scope` says what it may be used for. An IPv4 address within IPv6 (`::ffff:a.b.c.d`)
/// counts as the IPv4 address.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, in network order.
    package let bytes: [UInt8]
    /// The interface that a link-local address belongs to, by name or number; nil if none is given.
    package let zone: String?

    /// Longest text that is parsed, in bytes.
    private static let longest = 64

    /// - Returns: nil if there are neither 4 nor 16 bytes.
    package init?(bytes: [UInt8], zone: String? = nil) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        let isMapped =
            bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        self.bytes = isMapped ? Array(bytes[12...]) : bytes
        self.zone = isMapped ? nil : zone
    }

    /// Parses `192.0.2.1` (four decimal numbers without leading zeros), or an IPv6 address as in RFC 4291 section
    /// 2.2, with or without a zone (`fe80::1%eth0`). Short forms of IPv4, such as `127.1` for C's resolver, are nil.
    package init?(_ text: String) {
        let text = Array(text.utf8)
        guard text.count <= Self.longest else { return nil }
        guard text.contains(UInt8(ascii: ":")) else {
            guard let bytes = Self.parseV4(text[...]) else { return nil }
            self.init(bytes: bytes)
            return
        }
        var digits = text[...]
        var zone: String?
        if let percent = text.firstIndex(of: UInt8(ascii: "%")) {
            digits = text[..<percent]
            let rest = text[(percent + 1)...]
            guard !rest.isEmpty, rest.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "%") }) else {
                return nil
            }
            zone = String(decoding: rest, as: UTF8.self)
        }
        guard let bytes = Self.parseV6(digits) else { return nil }
        self.init(bytes: bytes, zone: zone)
    }

    package var isIPv4: Bool { bytes.count == 4 }

    /// The address without its zone.
    package var withoutZone: IPAddress { zone == nil ? self : IPAddress(bytes: bytes) ?? self }

    /// The kind of address, by its bits alone. A network's own broadcast address is known only to `Subnet`.
    package enum Scope: Equatable, Sendable {
        /// `0.0.0.0/8` and `::`
        case unspecified
        /// `127.0.0.0/8` and `::1`
        case loopback
        /// `224.0.0.0/4` and `ff00::/8`
        case multicast
        /// `255.255.255.255`
        case broadcast
        /// `169.254.0.0/16` and `fe80::/10`
        case linkLocal
        case other
    }

    package var scope: Scope {
        if isIPv4 {
            switch bytes[0] {
            case 0: return .unspecified
            case 127: return .loopback
            case 224...239: return .multicast
            default: break
            }
            if bytes.allSatisfy({ $0 == 255 }) { return .broadcast }
            return bytes[0] == 169 && bytes[1] == 254 ? .linkLocal : .other
        }
        if bytes[..<15].allSatisfy({ $0 == 0 }) {
            if bytes[15] == 0 { return .unspecified }
            if bytes[15] == 1 { return .loopback }
        }
        if bytes[0] == 0xFF { return .multicast }
        return bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 ? .linkLocal : .other
    }

    /// In the form that `init(_:)` parses: IPv6 as in RFC 5952, except for embedded IPv4 addresses.
    package var description: String {
        if isIPv4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        // The longest run of zeros is left out, the first of equal runs; a single zero is not.
        var longest = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8 && groups[end] == 0 { end += 1 }
            if end - start > max(longest.count, 1) { longest = start..<end }
            start = max(end, start + 1)
        }
        let hex: (ArraySlice<UInt16>) -> String = { $0.map { String($0, radix: 16) }.joined(separator: ":") }
        let text =
            longest.isEmpty
            ? hex(groups[...]) : hex(groups[..<longest.lowerBound]) + "::" + hex(groups[longest.upperBound...])
        return zone.map { "\(text)%\($0)" } ?? text
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                part.count == 1 || part.first != 0x30, let byte = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func parseV6(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let colon = UInt8(ascii: ":")
        var gap: Int?
        var index = text.startIndex
        while index + 1 < text.endIndex {
            if text[index] == colon && text[index + 1] == colon {
                gap = index
                break
            }
            index += 1
        }
        guard let gap else { return parseGroups(text).flatMap { $0.count == 16 ? $0 : nil } }
        let (before, after) = (text[..<gap], text[(gap + 2)...])
        guard let head = before.isEmpty ? [] : parseGroups(before), let tail = after.isEmpty ? [] : parseGroups(after),
            head.count % 2 == 0, !before.contains(UInt8(ascii: ".")), head.count + tail.count <= 14
        else { return nil }
        return head + Array(repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// Groups of hexadecimal digits between single colons; the last may be an IPv4 address.
    private static func parseGroups(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let v4 = parseV4(part) else { return nil }
                bytes += v4
            } else {
                guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"), part.first != UInt8(ascii: "-"),
                    let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
                else { return nil }
                bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
            }
        }
        return bytes.count <= 16 ? bytes : nil
    }
}

/// A network: all addresses that share a prefix.
package struct Subnet: Hashable, Sendable, CustomStringConvertible {
    /// The lowest address: all bits behind the prefix are zero.
    package let address: IPAddress
    /// Length in bits.
    package let prefix: Int

    /// The network that an address is on.
    /// - Returns: nil if the prefix is longer than the address.
    package init?(of address: IPAddress, prefix: Int) {
        guard (0...address.bytes.count * 8).contains(prefix),
            let lowest = IPAddress(bytes: Self.masked(address.bytes, prefix))
        else { return nil }
        self.address = lowest
        self.prefix = prefix
    }

    /// Parses `192.0.2.0/24`, or an address alone, which is its own network. Bits behind the prefix are ignored.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let address = IPAddress(String(first)), address.zone == nil
        else {
            return nil
        }
        var prefix = address.bytes.count * 8
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = Int(parts[1])
            else { return nil }
            prefix = number
        }
        self.init(of: address, prefix: prefix)
    }

    package func contains(_ other: IPAddress) -> Bool {
        other.bytes.count == address.bytes.count && Self.masked(other.bytes, prefix) == address.bytes
    }

    /// Whether an address is a broadcast address of the network: the highest of an IPv4 network, or the lowest, an
    /// obsolete form.
    package func isBroadcast(_ other: IPAddress) -> Bool {
        guard address.isIPv4, prefix < 31, contains(other) else { return false }
        let rest = Self.masked(other.bytes.map { ~$0 }, prefix)
        // Whether the bits behind the prefix are all ones or all zeros.
        let host = zip(other.bytes, Self.masked(other.bytes, prefix)).map { $0 ^ $1 }
        let inverse = zip(other.bytes.map { ~$0 }, rest).map { $0 ^ $1 }
        return host.allSatisfy { $0 == 0 } || inverse.allSatisfy { $0 == 0 }
    }

    package var description: String { "\(address)/\(prefix)" }

    private static func masked(_ bytes: [UInt8], _ prefix: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let bits = min(max(prefix - index * 8, 0), 8)
            return bits == 0 ? 0 : byte & ~UInt8(truncatingIfNeeded: 0xFF >> bits)
        }
    }
}
