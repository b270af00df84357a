/// A host name, compared as DNS does: ASCII letters without regard to case, without final dots. It contains only
/// printable ASCII characters and no blanks: other bytes are written in DNS notation, `\ddd`.
package struct HostName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Longest name in bytes, in DNS and in this notation; longer names are cut.
    package static let longest = 255

    /// In its first spelling.
    package let description: String
    private let folded: String

    /// - Returns: nil if the text is empty or contains only dots.
    package init?(_ text: String) {
        var shown = ""
        for byte in text.utf8 {
            var piece = ""
            if byte > 0x20 && byte < 0x7F {
                piece.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte)
                piece = "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
            }
            guard shown.utf8.count + piece.utf8.count <= Self.longest else { break }
            shown += piece
        }
        while shown.hasSuffix(".") { shown.removeLast() }
        guard !shown.isEmpty else { return nil }
        description = shown
        folded = shown.foldedAsDNS
    }

    package static func == (a: HostName, b: HostName) -> Bool { a.folded == b.folded }
    package static func < (a: HostName, b: HostName) -> Bool { a.folded < b.folded }
    package func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

extension String {
    /// The text with ASCII letters in lower case, as DNS compares names.
    package var foldedAsDNS: String {
        String(decoding: utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
