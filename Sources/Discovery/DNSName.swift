/// Compares names as DNS does (RFC 4343): ASCII letters without regard to case, all other bytes exactly. Swift's own
/// comparison treats different bytes as equal text (Unicode's canonical equivalence).
enum DNSName {
    /// The bytes of one label, such as a service's instance name, in lower case. A dot has no special meaning in it.
    static func folded(label: String) -> [UInt8] {
        label.utf8.map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 | 0x20 : $0 }
    }

    /// The bytes of a name made of labels, such as a host's or a domain's, in lower case. A final dot, for the root,
    /// is ignored.
    static func folded(_ name: String) -> [UInt8] {
        var bytes = folded(label: name)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        return bytes
    }

    /// Whether both are the same host, type or domain.
    static func areSame(_ a: String, _ b: String) -> Bool { folded(a) == folded(b) }
}
