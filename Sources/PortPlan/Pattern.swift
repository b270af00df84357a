/// A name with `*` for any characters and `?` for one: glob(7) without brackets.
package struct Pattern: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    private let units: [UInt8]

    package init(_ text: String) {
        description = text
        units = Array(text.utf8)
    }

    /// Does it stand for one name only?
    package var isLiteral: Bool { !units.contains(UInt8(ascii: "*")) && !units.contains(UInt8(ascii: "?")) }

    /// Does the pattern cover the whole of `text`? Takes time in the product of both lengths at the worst.
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
                // The star takes one byte more.
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

/// Who may pass: everything `allow` covers, all where it is empty, but for what `deny` covers.
package struct AccessList: Equatable, Sendable {
    package var allow: [Pattern] = []
    package var deny: [Pattern] = []

    package init() {}

    package func admits(_ name: String) -> Bool {
        (allow.isEmpty || allow.contains { $0.matches(name) }) && !deny.contains { $0.matches(name) }
    }
}
