/// The items that wait for a resolver, the most urgent first: known names, then strangers, then strangers that have
/// failed before; each in order of arrival.
package struct ResolveQueue {
    package enum Urgency: Int, CaseIterable {
        case known
        case stranger
        case strangerAgain
    }

    /// Number of entries, including stale and repeated ones.
    package var count: Int { lines.reduce(0) { $0 + $1.count } }

    private var lines = [Line](repeating: Line(), count: Urgency.allCases.count)

    package init() {}

    package mutating func append(_ item: ServiceItem, _ urgency: Urgency) { lines[urgency.rawValue].append(item) }

    /// - Parameter strangers: a stranger may be returned.
    package mutating func popFirst(strangers: Bool) -> ServiceItem? {
        for urgency in Urgency.allCases where strangers || urgency == .known {
            if let item = lines[urgency.rawValue].popFirst() { return item }
        }
        return nil
    }

    /// Drops unwanted items, and duplicates after the first.
    package mutating func keep(where isWanted: (ServiceItem) -> Bool) {
        var seen: Set<ServiceItem> = []
        for index in lines.indices { lines[index].keep { isWanted($0) && seen.insert($0).inserted } }
    }

    /// A first-in-first-out queue.
    private struct Line {
        private var items: [ServiceItem] = []
        private var head = 0

        var count: Int { items.count - head }

        mutating func append(_ item: ServiceItem) { items.append(item) }

        mutating func keep(where isWanted: (ServiceItem) -> Bool) {
            items = items[head...].filter(isWanted)
            head = 0
        }

        mutating func popFirst() -> ServiceItem? {
            guard head < items.count else { return nil }
            defer {
                head += 1
                if head == items.count || head >= 1024 {
                    items.removeFirst(head)
                    head = 0
                }
            }
            return items[head]
        }
    }
}
