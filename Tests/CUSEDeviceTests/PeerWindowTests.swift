import RemotePort
import SerialLine
import Testing

/// How many bytes the kernel is handed while the peer's window is small.
@Suite struct PeerWindowTests {
    @Test func noMoreIsHandedOverThanThePeerHasRoomFor() {
        var window = PeerWindow()
        let first = window.allowance(for: 1000) { PeerWindow.State(window: 700, unacknowledged: 100) }
        #expect(first == 600)
        window.handed(600)
        let second = window.allowance(for: 400) { PeerWindow.State(window: 700, unacknowledged: 700) }
        #expect(second == 0)
        let third = window.allowance(for: 400) { PeerWindow.State(window: 800, unacknowledged: 0) }
        #expect(third == 400)
    }

    /// A look is a system call: it is made only if the room seen last does not suffice.
    @Test func oneLookServesManySends() {
        var window = PeerWindow()
        var looks = 0
        for _ in 0..<10 {
            let allowance = window.allowance(for: 100) {
                looks += 1
                return PeerWindow.State(window: 1000, unacknowledged: 0)
            }
            #expect(allowance == 100)
            window.handed(100)
        }
        #expect(looks == 1)
        _ = window.allowance(for: 1) {
            looks += 1
            return PeerWindow.State(window: 1000, unacknowledged: 0)
        }
        #expect(looks == 2)
    }

    /// A kernel that does not tell the window is left to itself.
    @Test func anUnknownWindowIsNoLimit() {
        var window = PeerWindow()
        let allowance = window.allowance(for: 1_000_000) { PeerWindow.State(window: nil, unacknowledged: 5000) }
        #expect(allowance == 1_000_000)
    }

    /// The window may shrink below the bytes on the way: then there is no room.
    @Test func aWindowThatHasShrunk() {
        #expect(PeerWindow.State(window: 100, unacknowledged: 300).room == 0)
    }

    @Test func looksAtAShutWindowBecomeRarer() {
        var pause = WindowPause()
        var pauses: [UInt64] = []
        for _ in 0..<8 {
            pauses.append(pause.next / .milliseconds(1))
            pause.grow()
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 50, 50])
        pause.reset()
        #expect(pause.next == WindowPause.shortest)
    }
}
