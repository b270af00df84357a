/// Why a text is no list of endpoints, in one line.
package struct EndpointListError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension [Endpoint] {
    /// As many servers one port may have.
    package static var mostServers: Int { 16 }

    /// Reads `H:P,H:P,…`, in the order in which they are to be tried. One named twice counts once.
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

    /// As `init(parsingList:)` reads it.
    package var listed: String { map(\.description).joined(separator: ",") }
}
