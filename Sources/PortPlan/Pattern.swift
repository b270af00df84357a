/// A name with `*` for any characters and `?` for one: glob(7) without brackets.
package struct Pattern: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    private let units: [UInt8]

    package init(_ text: String) {
        description = text
        units = Array(text.utf8)
    }

    /// Whether the pattern contains no wildcard.
    package var isLiteral: Bool { !units.contains(UInt8(ascii: "*")) && !units.contains(UInt8(ascii: "?")) }

    /// Whether the pattern matches the whole of `text`. The worst-case time is the product of both lengths.
    package func matches(_ text: String) -> Bool {
        let text = Array(text.utf8)
        var (at, position) = (0, 0)
        var star: (pattern: Int, text: Int)?
        while position < text.count {
            if at < units.count && units[at] == UInt8(ascii: "*") {
                star = (at, position)
                at += 1
            } else if at < units.count && (units[at] == UInt8(ascii: "?") || units[at] == text[position]) {
                at += 1
                position += 1
            } else if let back = star {
                // Let the star match one more byte.
                star = (back.pattern, back.text + 1)
                at = back.pattern + 1
                position = back.text + 1
            } else {
                return false
            }
        }
        return units[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// Allows what `allow` matches (everything, if `allow` is empty), except what `deny` matches.
package struct AccessList: Equatable, Sendable {
    package var allow: [Pattern] = []
    package var deny: [Pattern] = []

    package init() {}

    package func admits(_ name: String) -> Bool {
        (allow.isEmpty || allow.contains { $0.matches(name) }) && !deny.contains { $0.matches(name) }
    }
}
