import Discovery
import Testing

struct ResolveQueueTests {
    private func item(_ name: String) -> ServiceItem {
        ServiceItem(ServiceKey(name: name, type: "_t._tcp", domain: "local"), interface: 1, transport: 0)
    }

    @Test func theMostUrgentComesFirst() {
        var queue = ResolveQueue()
        queue.append(item("again"), .strangerAgain)
        for index in 0..<3000 { queue.append(item("stranger\(index)"), .stranger) }
        queue.append(item("known1"), .known)
        queue.append(item("known2"), .known)
        #expect(queue.count == 3003)
        #expect(queue.popFirst(strangers: true) == item("known1"))
        #expect(queue.popFirst(strangers: false) == item("known2"))
        #expect(queue.popFirst(strangers: false) == nil)
        for index in 0..<3000 { #expect(queue.popFirst(strangers: true) == item("stranger\(index)")) }
        #expect(queue.popFirst(strangers: true) == item("again"))
        #expect(queue.popFirst(strangers: true) == nil)
        #expect(queue.count == 0)
    }

    @Test func whatIsNotWantedAnyLongerGoes() {
        var queue = ResolveQueue()
        for _ in 0..<100 {
            for name in ["a", "b", "c"] { queue.append(item(name), .stranger) }
        }
        _ = queue.popFirst(strangers: true)
        queue.append(item("a"), .known)
        queue.keep { $0 != item("b") }
        #expect(queue.count == 2)
        #expect(queue.popFirst(strangers: true) == item("a"))
        #expect(queue.popFirst(strangers: true) == item("c"))
        #expect(queue.popFirst(strangers: true) == nil)
    }
}
