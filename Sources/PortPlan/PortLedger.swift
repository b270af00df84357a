import SerialLine

/// The persistent memory of ports: the state file.
package struct PortLedger: Equatable, Sendable {
    package var minors: MinorTable
    /// Hosts and addresses of announced names.
    package var names: [DeviceName: RememberedPort]

    package init(minors: MinorTable = MinorTable(), names: [DeviceName: RememberedPort] = [:]) {
        self.minors = minors
        self.names = names
    }

    /// The table's lines, each with the host and addresses of its name behind the number. A name without a number has
    /// no line.
    package var text: String { minors.text { names[$0]?.words ?? "" } }

    package init(parsing text: String) throws(MinorTable.Corrupt) {
        var names: [DeviceName: RememberedPort] = [:]
        minors = try MinorTable(parsing: text) { name, words in
            guard let remembered = RememberedPort(words: words) else { return "malformed words behind the number" }
            names[name] = remembered
            return nil
        }
        self.names = names
    }
}

extension RememberedPort {
    /// `host=H since=T interfaces=I,I subnets=N,N servers=E,E`; empty lists are left out.
    fileprivate var words: String {
        var words = ["host=\(host)", "since=\(firstSeen)"]
        // An interface may have any name; a name that would break the line is left out.
        let plain = interfaces.filter { $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") } }
        for (key, list) in [("interfaces", plain), ("subnets", subnets), ("servers", addresses.map { "\($0)" })]
        where !list.isEmpty {
            words.append("\(key)=\(list.joined(separator: ","))")
        }
        return words.joined(separator: " ")
    }

    /// - Returns: nil if the words do not have the form that `words` produces.
    fileprivate init?(words: Substring) {
        var values: [Substring: Substring] = [:]
        for word in words.split(separator: " ", omittingEmptySubsequences: false) {
            guard let equals = word.firstIndex(of: "=") else { return nil }
            values[word[..<equals]] = word[word.index(after: equals)...]
        }
        let list = { (key: Substring) in (values[key] ?? "").split(separator: ",").map(String.init) }
        guard let host = values["host"].flatMap({ HostName(String($0)) }),
            let since = values["since"].flatMap({ UInt64($0) }),
            let servers = try? list("servers").map({ try Endpoint(parsing: $0) }), !servers.isEmpty
        else { return nil }
        self.init(
            host: host, interfaces: list("interfaces"), subnets: list("subnets"), addresses: servers, firstSeen: since)
    }
}
