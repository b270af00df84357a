import Glibc
import Platform
import SerialLine
import Testing

@Suite struct WaitForEventsTests {
    @Test func nothing() throws {
        let event = try EventDescriptor()
        var descriptors = [pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)]
        #expect(try waitForEvents(&descriptors, nanoseconds: 0) == 0)
        #expect(descriptors[0].revents == 0)
    }

    @Test func signalledUntilCleared() throws {
        let event = try EventDescriptor()
        var descriptors = [pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)]
        event.signal()
        event.signal()
        for _ in 0..<2 {
            #expect(try waitForEvents(&descriptors, nanoseconds: nil) == 1)
            #expect(descriptors[0].revents == Int16(POLLIN))
        }
        // However often it was signalled, it is cleared at once; and clearing what is clear does not wait.
        event.clear()
        #expect(try waitForEvents(&descriptors, nanoseconds: 0) == 0)
        event.clear()
        event.signal()
        #expect(try waitForEvents(&descriptors, nanoseconds: 0) == 1)
    }

    @Test func whichOfSeveral() throws {
        let quiet = try EventDescriptor()
        let signalled = try EventDescriptor()
        signalled.signal()
        var descriptors = [quiet.raw, signalled.raw].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        #expect(try waitForEvents(&descriptors, nanoseconds: nil) == 1)
        #expect(descriptors.map(\.revents) == [0, Int16(POLLIN)])
    }

    /// Rounded up to the next millisecond: the deadline has passed when the wait is over.
    @Test(arguments: [1, 999_999, 1_000_000, 1_000_001, 4_500_000] as [UInt64])
    func deadline(_ nanoseconds: UInt64) throws {
        var descriptors: [pollfd] = []
        let deadline = MonotonicTime.now + nanoseconds
        #expect(try waitForEvents(&descriptors, nanoseconds: nanoseconds) == 0)
        #expect(MonotonicTime.now >= deadline)
    }

    /// The longest times there are: waited for as long as poll can, not a trap.
    @Test(arguments: [.max, .max - 999_999, .max / 2] as [UInt64]) func veryLong(_ nanoseconds: UInt64) throws {
        let event = try EventDescriptor()
        event.signal()
        var descriptors = [pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)]
        #expect(try waitForEvents(&descriptors, nanoseconds: nanoseconds) == 1)
    }

    /// Another thread ends a wait without end.
    @Test func endedByAnotherThread() throws {
        let event = EventBox(try EventDescriptor())
        let thread = try Thread("signaller") { event.descriptor.signal() }
        var descriptors = [pollfd(fd: event.descriptor.raw, events: Int16(POLLIN), revents: 0)]
        #expect(try waitForEvents(&descriptors, nanoseconds: nil) == 1)
        thread.join()
    }
}

/// What two threads share must be copyable; the descriptor is not.
private final class EventBox: Sendable {
    let descriptor: EventDescriptor
    init(_ descriptor: consuming EventDescriptor) { self.descriptor = descriptor }
}
