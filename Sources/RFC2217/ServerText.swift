/// The text that a server has sent before it agreed to COM-PORT-OPTION. It tells what the server is, or why it refuses
/// this client. The text is untrusted: it is only compared with a few words, and printed as printable ASCII.
package struct ServerText: Equatable, Sendable {
    /// The meaning of the text.
    package enum Meaning: Equatable, Sendable {
        /// No text, or one without a known meaning.
        case unknown
        /// An answer of HTTP.
        case http
        /// The version line of SSH (RFC 4253, section 4.2).
        case ssh
        /// Another client uses the serial port: ser2net's "Port already in use", or a similar text.
        case portInUse
    }

    /// Most characters of the text that a message quotes.
    private static let quotedLimit = 60

    private let bytes: [UInt8]
    package let meaning: Meaning

    /// - Parameter bytes: at most the first 64 (`ComPortClient.heard`).
    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let text = bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        if text.starts(with: Array("http/".utf8)) || Self.contains(text, "<html") {
            meaning = .http
        } else if text.starts(with: Array("ssh-".utf8)) {
            meaning = .ssh
        } else if ["in use", "busy", "already open", "locked"].contains(where: { Self.contains(text, $0) }) {
            meaning = .portInUse
        } else {
            meaning = .unknown
        }
    }

    private static func contains(_ text: [UInt8], _ word: String) -> Bool {
        let word = Array(word.utf8)
        return text.indices.contains { text[$0...].starts(with: word) }
    }

    /// A message about the server, to print behind its name or behind "the server".
    /// - Parameters:
    ///   - reason: why it does not count as a server of RFC 2217.
    ///   - hasClosed: the server has closed the connection.
    package func diagnosis(_ reason: String, hasClosed: Bool) -> String {
        let quoted = bytes.isEmpty ? "it sent no text" : "it sent \"\(bytes.printable(limit: Self.quotedLimit))\""
        let verdict =
            switch meaning {
            case .http: "does not speak RFC 2217: it is an HTTP server"
            case .ssh: "does not speak RFC 2217: it is an SSH server"
            case .portInUse, .unknown:
                hasClosed
                    ? "accepted the connection, then closed it" : "does not speak RFC 2217: \(reason)"
            }
        return "\(verdict); \(quoted)"
    }
}
