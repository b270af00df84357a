import Glibc
import Platform
import SerialLine
import Testing

@Suite struct ThreadTests {
    @Test func joinWaitsForTheBody() throws {
        let ran = Monitor(false)
        let thread = try Thread("body") { ran.withLock { $0 = true } }
        thread.join()
        #expect(ran.withLock { $0 })
    }

    /// The kernel keeps 15 bytes of a name.
    @Test(arguments: [("short", "short"), ("a name of more than fifteen", "a name of more ")])
    func name(_ name: String, _ expected: String) throws {
        let seen = Monitor("")
        let thread = try Thread(name) {
            guard let file = try? Descriptor(opening: "/proc/thread-self/comm", O_RDONLY) else { return }
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = bytes.withUnsafeMutableBytes { (try? file.read(into: $0)) ?? 0 }
            seen.withLock { $0 = String(decoding: bytes.prefix(count), as: UTF8.self) }
        }
        thread.join()
        #expect(seen.withLock { $0 } == expected + "\n")
    }

    /// What the body holds goes with it.
    @Test func bodyIsReleased() throws {
        final class Token: Sendable {}
        weak var token: Token?
        do {
            let held = Token()
            token = held
            let thread = try Thread("holder") { withExtendedLifetime(held) {} }
            thread.join()
        }
        #expect(token == nil)
    }

    @Test func clockGoesForward() {
        var last = MonotonicTime.now
        for _ in 0..<1_000 {
            let now = MonotonicTime.now
            #expect(now >= last)
            last = now
        }
    }
}
