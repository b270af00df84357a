import Platform
import SerialLine

/// The reason why a text is not a status.
package enum StatusTextError: Error, Equatable {
    /// The last line is missing.
    case truncated
    case tooLong
    /// This line has a known key and an invalid value.
    case malformed(String)
}

// The text form: lines `key value`, in any order, and a last line `end`. Unknown keys are ignored, because a newer
// port may send more.
extension PortStatus {
    /// Most openers listed.
    static let mostOpeners = 1000
    private static let longestFault = 500
    private static let longestOptions = 16384

    /// The complete reply, at most `PortControl.longestReply` bytes.
    package var text: String {
        var lines = [
            "name \(name)", "major \(major)", "minor \(minor)", "pid \(pid)", "servers \(servers.listed)",
            "link \(link.rawValue)", "since \(since)", "started \(started)", "settings \(settings.singleLine)",
            "outputs \(outputs)", "inputs \(inputs)", "received \(received)", "transmitted \(transmitted)",
            "framing-errors \(errors.framing)", "parity-errors \(errors.parity)", "overruns \(errors.overrun)",
            "breaks \(errors.breaks)", "buffer-overruns \(errors.bufferOverrun)", "reconnects \(reconnects)",
            "openers " + openers.prefix(Self.mostOpeners).map { "\($0)" }.joined(separator: " "),
            "retiring \(isRetiring ? "yes" : "no")",
        ]
        if let peer { lines.append("peer \(peer.singleLine)") }
        if let lastError {
            lines.append("error-at \(lastError.at)")
            lines.append("error \(String(lastError.text.singleLine.prefix(Self.longestFault)))")
        }
        let words = options.map(Self.escaped).joined(separator: " ")
        if words.utf8.count <= Self.longestOptions { lines.append("options \(words)") }
        lines.append("end")
        return lines.map { $0 + "\n" }.joined()
    }

    /// Parses a reply.
    package init(parsing bytes: [UInt8]) throws(StatusTextError) {
        guard bytes.count <= PortControl.longestReply else { throw .tooLong }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // The text must end with a line feed.
        guard lines.count >= 2, lines[lines.count - 2].elementsEqual("end".utf8), lines.last?.isEmpty == true else {
            throw .truncated
        }
        var values: [Substring: Substring] = [:]
        for line in lines.dropLast(2) {
            let text = Substring(String(decoding: line, as: UTF8.self))
            let key = text.prefix { $0 != " " }
            values[key] = text.dropFirst(key.count + 1)
        }
        let reader = StatusReader(values: values)
        try self.init(name: reader.required("name") { try? DeviceName(String($0)) })
        try take(reader)
    }

    private mutating func take(_ reader: StatusReader) throws(StatusTextError) {
        try reader.read("major", into: &major) { UInt32($0) }
        try reader.read("minor", into: &minor) { UInt32($0) }
        try reader.read("pid", into: &pid) { Int32($0) }
        try reader.read("servers", into: &servers) { $0.isEmpty ? [] : try? [Endpoint](parsingList: String($0)) }
        try reader.read("link", into: &link) { LinkState(rawValue: String($0)) }
        try reader.read("since", into: &since) { Int64($0) }
        try reader.read("started", into: &started) { Int64($0) }
        try reader.read("settings", into: &settings) { String($0).singleLine }
        try reader.read("outputs", into: &outputs) { ModemLines(names: $0) }
        try reader.read("inputs", into: &inputs) { ModemLines(names: $0) }
        try reader.read("received", into: &received) { UInt64($0) }
        try reader.read("transmitted", into: &transmitted) { UInt64($0) }
        try reader.read("framing-errors", into: &errors.framing) { UInt64($0) }
        try reader.read("parity-errors", into: &errors.parity) { UInt64($0) }
        try reader.read("overruns", into: &errors.overrun) { UInt64($0) }
        try reader.read("breaks", into: &errors.breaks) { UInt64($0) }
        try reader.read("buffer-overruns", into: &errors.bufferOverrun) { UInt64($0) }
        try reader.read("reconnects", into: &reconnects) { UInt64($0) }
        try reader.read("openers", into: &openers) { Self.numbers($0) }
        try reader.read("retiring", into: &isRetiring) { $0 == "yes" ? true : $0 == "no" ? false : nil }
        try reader.read("peer", into: &peer) { .some(String($0).singleLine) }
        var fault = Fault("", at: 0)
        try reader.read("error-at", into: &fault.at) { Int64($0) }
        try reader.read("error", into: &fault.text) { String($0).singleLine }
        if !fault.text.isEmpty { lastError = fault }
        try reader.read("options", into: &options) { $0.isEmpty ? [] : Self.unescaped($0) }
    }

    private static func numbers(_ text: Substring) -> [Int32]? {
        let words = text.split(separator: " ")
        let numbers = words.compactMap { Int32($0) }
        return numbers.count == words.count ? numbers : nil
    }

    /// Encodes text as one word: bytes other than printable ASCII, and `%`, as `%XX`. An empty text is `%`.
    private static func escaped(_ word: String) -> String {
        if word.isEmpty { return "%" }
        let digits = Array("0123456789ABCDEF")
        var text = ""
        for byte in word.utf8 {
            if byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%"
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
        }
        return text
    }

    private static func unescaped(_ text: Substring) -> [String]? {
        var words: [String] = []
        for word in text.split(separator: " ") {
            if word == "%" {
                words.append("")
                continue
            }
            var bytes: [UInt8] = []
            var rest = Array(word.utf8)[...]
            while let byte = rest.popFirst() {
                guard byte == UInt8(ascii: "%") else {
                    bytes.append(byte)
                    continue
                }
                let digits = rest.prefix(2)
                guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else {
                    return nil
                }
                bytes.append(value)
                rest = rest.dropFirst(2)
            }
            words.append(String(decoding: bytes, as: UTF8.self))
        }
        return words
    }
}

/// The lines of a status, by key.
private struct StatusReader {
    let values: [Substring: Substring]

    func required<Value>(_ key: Substring, _ read: (Substring) -> Value?) throws(StatusTextError) -> Value {
        guard let text = values[key], let value = read(text) else { throw .malformed(String(key)) }
        return value
    }

    /// Keeps `value` if the key is missing, because an older port sends less.
    func read<Value>(
        _ key: Substring, into value: inout Value, _ read: (Substring) -> Value?
    ) throws(StatusTextError) {
        guard let text = values[key] else { return }
        guard let new = read(text) else { throw .malformed(String(key)) }
        value = new
    }
}
