import Platform
import SerialLine

/// A request to the supervisor, one line on its control socket. Replies are as a port's: `ok`, `error TEXT`; the
/// reply to `names` is one line for each name (see `NameReport`), and `end COUNT`.
package enum SupervisorRequest: Equatable, Sendable {
    /// Asks for the owners of names, and the hosts that claim them: of one name, or of all.
    case names(DeviceName?)
    /// Gives a name to the host that claims it; `host` selects one of several.
    case accept(DeviceName, host: String?)
    /// Forgets everything about a name except its number.
    case forget(DeviceName)
    /// Reads the configuration again.
    case reload

    /// The reason why a line is not a request.
    package struct Unknown: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Parses a request's line, without its line feed.
    package init(line: [UInt8]) throws(Unknown) {
        guard line.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { throw Unknown(description: "not printable ASCII") }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        func name() throws(Unknown) -> DeviceName {
            do { return try DeviceName(String(words[1])) } catch { throw Unknown(description: "\(error)") }
        }
        switch (words.first, words.count) {
        case ("names", 1): self = .names(nil)
        case ("names", 2): self = .names(try name())
        case ("reload", 1): self = .reload
        case ("accept", 2): self = .accept(try name(), host: nil)
        case ("accept", 3): self = .accept(try name(), host: String(words[2]))
        case ("forget", 2): self = .forget(try name())
        default: throw Unknown(description: "unknown request")
        }
    }

    package var line: String {
        switch self {
        case .names(let name): name.map { "names \($0)" } ?? "names"
        case .accept(let name, let host): (["accept", "\(name)"] + [host].compactMap(\.self)).joined(separator: " ")
        case .forget(let name): "forget \(name)"
        case .reload: "reload"
        }
    }

    /// Whether this peer may send the request. Everyone may ask about names and hosts; only root gives orders.
    package func isAllowed(to peer: PeerCredentials) -> Bool {
        if case .names = self { true } else { peer.user == 0 }
    }
}

/// The owner of a name, and the hosts that claim it.
package struct NameReport: Equatable, Sendable {
    /// A host, and the interfaces and servers of its announcement.
    package struct Party: Equatable, Sendable {
        package var host: String
        package var interfaces: [String]
        package var servers: [Endpoint]

        package init(host: String, interfaces: [String], servers: [Endpoint]) {
            self.host = host
            self.interfaces = interfaces
            self.servers = servers
        }
    }

    package var name: DeviceName
    package var owner: Party?
    package var claimant: Party?

    package init(name: DeviceName, owner: Party?, claimant: Party?) {
        self.name = name
        self.owner = owner
        self.claimant = claimant
    }

    /// `ttyX owner HOST INTERFACES SERVERS claimant HOST INTERFACES SERVERS`; lists are separated by commas, `-` is
    /// an empty list.
    package var line: String {
        var words = ["\(name)"]
        for (role, party) in [("owner", owner), ("claimant", claimant)] {
            guard let party else { continue }
            words += [
                role, party.host, Self.list(party.interfaces), party.servers.isEmpty ? "-" : party.servers.listed,
            ]
        }
        return words.joined(separator: " ")
    }

    private static func list(_ words: [String]) -> String { words.isEmpty ? "-" : words.joined(separator: ",") }

    /// - Returns: nil if the line is malformed.
    package init?(line: Substring) {
        var words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)[...]
        guard let first = words.popFirst(), let name = try? DeviceName(first) else { return nil }
        self.init(name: name, owner: nil, claimant: nil)
        while let role = words.popFirst() {
            guard words.count >= 3, let servers = try? Self.servers(words[words.startIndex + 2]) else { return nil }
            let interfaces = words[words.startIndex + 1]
            let party = Party(
                host: words[words.startIndex],
                interfaces: interfaces == "-" ? [] : interfaces.split(separator: ",").map(String.init),
                servers: servers)
            words = words.dropFirst(3)
            switch role {
            case "owner": owner = party
            case "claimant": claimant = party
            default: return nil
            }
        }
    }

    private static func servers(_ text: String) throws(EndpointListError) -> [Endpoint] {
        text == "-" ? [] : try [Endpoint](parsingList: text)
    }
}
