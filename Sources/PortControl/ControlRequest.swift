import Platform
import SerialLine

/// A request to a port.
package enum ControlRequest: Equatable, Sendable {
    case status
    /// Replaces the servers.
    case servers([Endpoint])
    /// The port ends once no program has it open.
    case retire
    /// Cancels `retire`.
    case keep

    /// The reason why a line is not a request.
    package struct Unknown: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Parses a request's line, without its line feed.
    package init(line: [UInt8]) throws(Unknown) {
        guard line.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { throw Unknown(description: "not printable ASCII") }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 1)
        let argument = words.count > 1 ? String(words[1]) : nil
        switch (words.first, argument) {
        case ("status", nil): self = .status
        case ("retire", nil): self = .retire
        case ("keep", nil): self = .keep
        case ("servers", let list?):
            do {
                self = .servers(try [Endpoint](parsingList: list))
            } catch {
                throw Unknown(description: "\(error)")
            }
        default: throw Unknown(description: "unknown request")
        }
    }

    package var line: String {
        switch self {
        case .status: "status"
        case .servers(let servers): "servers \(servers.listed)"
        case .retire: "retire"
        case .keep: "keep"
        }
    }
}

/// A port's answer to all requests but `status`.
package enum ControlReply: Equatable, Sendable {
    case done
    case refused(String)

    /// Without its line feed.
    package var line: String {
        switch self {
        case .done: "ok"
        case .refused(let why): "error \(why.singleLine)"
        }
    }
}
