/// Changes that commands make to the configuration file's text. All other lines remain unchanged.
package enum ConfigurationEdit {
    /// The reason why a change is refused.
    package struct Refusal: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Adds keys to the section of one port, and adds the section if it does not exist.
    /// - Parameters:
    ///   - name: the port's name, without `tty`.
    ///   - keys: in the order in which they are written; their values need no quoting.
    /// - Throws: `Refusal` if the section contains one of the keys with another value.
    package static func set(
        _ keys: [(key: String, value: String)], ofPort name: String, in text: String
    ) throws(Refusal) -> String {
        // As bytes: Swift treats carriage return and line feed as one character, in which a search for a line feed
        // fails.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        if lines.last == "" { lines.removeLast() }
        guard let header = lines.firstIndex(where: { portName(ofHeader: $0) == name }) else {
            if lines.last?.isEmpty == false { lines.append("") }
            lines.append("[port \(name)]")
            lines += keys.map { "\($0.key) = \($0.value)" }
            return lines.joined(separator: "\n") + "\n"
        }
        var missing: [String] = []
        for (key, value) in keys {
            switch given(key, name, lines) {
            case nil: missing.append("\(key) = \(value)")
            case value: break
            case let other?:
                throw Refusal(description: "[port \(name)] already sets \(key) = \(other): edit the file")
            }
        }
        lines.insert(contentsOf: missing, at: header + 1)
        return lines.joined(separator: "\n") + "\n"
    }

    /// The name in a line `[port NAME]`; nil if the line is not such a header.
    private static func portName(ofHeader line: String) -> String? {
        let text = line.trimmed
        guard text.first == "[", text.last == "]" else { return nil }
        let words = text.dropFirst().dropLast().split { $0 == " " || $0 == "\t" }
        return words.count == 2 && words[0] == "port" ? String(words[1]) : nil
    }

    /// The value of a key in the sections of a port.
    private static func given(_ key: String, _ name: String, _ lines: [String]) -> String? {
        var isInside = false
        for line in lines {
            let text = line.trimmed
            if text.first == "[" {
                isInside = portName(ofHeader: line) == name
            } else if isInside, let equals = text.firstIndex(of: "="), text.first != "#", text.first != ";",
                text[..<equals].trimmed == key
            {
                return String(text[text.index(after: equals)...].trimmed)
            }
        }
        return nil
    }
}
