/// The TXT record of a service: keys and values (RFC 6763, section 6).
///
/// Keys are compared without regard to case, the first of equal keys counts, and entries without a key are ignored.
/// Values are arbitrary bytes.
package struct TXTRecord: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        /// Printable ASCII, unchanged.
        package let key: String
        /// nil for a key without `=`.
        package let value: [UInt8]?

        package init(key: String, value: [UInt8]?) {
            self.key = key
            self.value = value
        }
    }

    /// Most entries kept.
    package static let mostEntries = 32
    /// Longest entry kept, in bytes; DNS itself limits entries to 255.
    package static let longestEntry = 255

    package private(set) var entries: [Entry] = []

    package init() {}

    /// From the record's strings, `key=value` each.
    package init(_ strings: [[UInt8]]) {
        var seen: Set<String> = []
        for string in strings where entries.count < Self.mostEntries {
            guard let entry = Self.entry(string), seen.insert(entry.key.lowercased()).inserted else { continue }
            entries.append(entry)
        }
    }

    private static func entry(_ string: [UInt8]) -> Entry? {
        guard string.count <= longestEntry else { return nil }
        let end = string.firstIndex(of: UInt8(ascii: "=")) ?? string.endIndex
        let key = string[..<end]
        guard !key.isEmpty, key.allSatisfy({ $0 >= 0x20 && $0 <= 0x7E }) else { return nil }
        return Entry(
            key: String(decoding: key, as: UTF8.self),
            value: end == string.endIndex ? nil : Array(string[(end + 1)...]))
    }

    /// The value of a key (given in lower case) as text; nil if the key is missing or has no value. Bytes that are
    /// not UTF-8 become U+FFFD. The text must be made safe before it is printed.
    package subscript(key: String) -> String? {
        entries.first { $0.key.lowercased() == key }?.value.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The intended use of the port (ttynvt's README, "DNS-SD").
    package var functionClass: String? { self["funcclass"] }
    /// `no`, or the security that the connection requires.
    package var security: String? { self["security"] }
    /// A further port of the same box, such as `not_avail-0`.
    package var auxiliaryPort: String? { self["auxport"] }
    package var auxiliaryScheme: String? { self["auxschema"] }
    /// The gensio stack of an `_iostream._tcp` service (ser2net(8)).
    package var gensioStack: String? { self["gensiostack"] }
}
