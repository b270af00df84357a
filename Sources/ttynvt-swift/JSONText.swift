/// A JSON value (RFC 8259), written as text. An object keeps the order of its members.
indirect enum JSON {
    case null
    case bool(Bool)
    case number(Int64)
    /// A number with this many decimals; values that JSON cannot express (NaN, infinity) become null.
    case decimal(Double, digits: Int)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    /// Indented by two blanks for each level; members and elements on lines of their own.
    var text: String {
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    /// All in one line.
    var line: String {
        var text = ""
        write(to: &text, indent: nil)
        return text
    }

    private func write(to text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let value): text += "\(value)"
        case .decimal(let value, let digits): text += Self.decimalText(value, digits: digits)
        case .string(let value): Self.quote(value, to: &text)
        case .array(let elements):
            Self.writeList("[", "]", elements, to: &text, indent: indent) { element, text, indent in
                element.write(to: &text, indent: indent)
            }
        case .object(let members):
            Self.writeList("{", "}", members, to: &text, indent: indent) { member, text, indent in
                Self.quote(member.0, to: &text)
                text += ": "
                member.1.write(to: &text, indent: indent)
            }
        }
    }

    private static func writeList<Item>(
        _ open: String, _ close: String, _ items: [Item], to text: inout String, indent: Int?,
        _ body: (Item, inout String, Int?) -> Void
    ) {
        text += open
        for (index, item) in items.enumerated() {
            if index > 0 { text += indent == nil ? ", " : "," }
            newLine(&text, indent.map { $0 + 1 })
            body(item, &text, indent.map { $0 + 1 })
        }
        if !items.isEmpty { newLine(&text, indent) }
        text += close
    }

    private static func newLine(_ text: inout String, _ indent: Int?) {
        guard let indent else { return }
        text += "\n" + String(repeating: "  ", count: indent)
    }

    /// In quotes, with escapes for all characters that need them, and for those that a terminal or an older parser
    /// would not handle: DEL, C1 controls, U+2028 and U+2029.
    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x22: text += "\\\""
            case 0x5C: text += "\\\\"
            case 0x0A: text += "\\n"
            case 0x0D: text += "\\r"
            case 0x09: text += "\\t"
            case ..<0x20, 0x7F...0x9F, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private static func decimalText(_ value: Double, digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.isFinite, abs(scaled) < 1e15 else { return "null" }
        let (whole, part) = Int64(abs(scaled)).quotientAndRemainder(dividingBy: Int64(scale))
        let decimals = String(part)
        let padding = String(repeating: "0", count: max(0, digits - decimals.count))
        return (scaled < 0 ? "-" : "") + "\(whole)" + (digits == 0 ? "" : ".\(padding)\(decimals)")
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    init(stringLiteral value: String) { self = .string(value) }
    init(arrayLiteral elements: JSON...) { self = .array(elements) }
    init(dictionaryLiteral members: (String, JSON)...) { self = .object(members) }
}

extension JSON {
    /// null for nil.
    init(_ value: String?) { self = value.map { .string($0) } ?? .null }
    init<Number: BinaryInteger>(_ value: Number) { self = .number(Int64(clamping: value)) }
}
