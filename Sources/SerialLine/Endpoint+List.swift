/// The reason why a text is not a list of endpoints, in one line.
package struct EndpointListError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension [Endpoint] {
    /// Most servers that one port may have.
    package static var mostServers: Int { 16 }

    /// Parses `H:P,H:P,…`, in the order in which the servers are tried. Duplicates count once.
    package init(parsingList text: String) throws(EndpointListError) {
        var list: [Endpoint] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            do {
                let endpoint = try Endpoint(parsing: String(part))
                if !list.contains(endpoint) { list.append(endpoint) }
            } catch {
                throw EndpointListError(description: part == text ? "\(error)" : "'\(part)': \(error)")
            }
        }
        guard list.count <= Self.mostServers else {
            throw EndpointListError(description: "more than \(Self.mostServers) servers")
        }
        self = list
    }

    /// The list in the form that `init(parsingList:)` parses.
    package var listed: String { map(\.description).joined(separator: ",") }
}
