import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing

@testable import VirtualTTY

/// Whether a silent peer counts as dead.
@Suite struct LivenessTests {
    private let start = MonotonicTime(nanoseconds: .seconds(1000))

    private func signs(
        pending: Bool = true, unacknowledged: Bool = true, since: UInt64, probes: Int = 0
    ) -> LifeSigns {
        LifeSigns(
            hasPending: pending, hasUnacknowledged: unacknowledged, sinceAcknowledgement: since,
            unansweredProbes: probes)
    }

    /// Looks whenever a look is due.
    /// - Returns: nanoseconds until the peer counts as dead; nil if it never does within a minute.
    private func death(
        deadAfter: UInt64, _ signs: (UInt64) -> LifeSigns
    ) -> UInt64? {
        var liveness = Liveness(deadAfter: deadAfter)
        let start = start
        var time = EventTime { start }
        liveness.sent(&time)
        while let look = liveness.nextLook, look.since(start) < .seconds(60) {
            if liveness.look(signs(look.since(start)), now: look) { return look.since(start) }
        }
        return nil
    }

    @Test(arguments: [1, 4, 20] as [UInt64]) func aPeerThatAcknowledgesNothingIsDead(_ seconds: UInt64) throws {
        let death = try #require(death(deadAfter: .seconds(seconds)) { signs(since: $0) })
        #expect(death >= .seconds(seconds) && death <= .seconds(seconds + 1))
    }

    /// The first look, a tenth of a second after the bytes, begins the time; the last one comes when it is over, not
    /// half a second after the one before.
    @Test func deathIsSeenOnceItsTimeHasCome() {
        let death = death(deadAfter: .milliseconds(4200)) { signs(since: $0) }
        #expect(death == .milliseconds(100 + 4200))
    }

    /// How long the peer was silent before the bytes does not count: it had nothing to acknowledge.
    @Test func aLongPauseBeforeTheBytesDoesNotCount() throws {
        let death = try #require(death(deadAfter: .seconds(4)) { signs(since: $0 + .seconds(3600)) })
        #expect(death >= .seconds(4) && death <= .seconds(5))
    }

    /// Bytes are always on the way, and acknowledged.
    @Test func aPeerThatAcknowledgesLives() {
        #expect(death(deadAfter: .seconds(1)) { signs(since: $0 % .milliseconds(900)) } == nil)
    }

    /// Our packets do not reach the peer; the peer's packets arrive, and each acknowledges the same bytes again.
    @Test func packetsThatAcknowledgeNothingNewAreNoLife() throws {
        let death = try #require(
            death(deadAfter: .seconds(3)) { since in
                LifeSigns(
                    hasPending: true, hasUnacknowledged: true, sinceAcknowledgement: since % .milliseconds(400),
                    acknowledged: 1000, unansweredProbes: 0)
            })
        #expect(death >= .seconds(3) && death <= .seconds(4))
    }

    @Test func eachByteThatIsAcknowledgedIsLife() {
        let death = death(deadAfter: .seconds(3)) { since in
            LifeSigns(
                hasPending: true, hasUnacknowledged: true, sinceAcknowledgement: since,
                acknowledged: since / .seconds(2), unansweredProbes: 0)
        }
        #expect(death == nil)
    }

    /// Everything waits for a window that is shut, and the peer answers the probes, which become rare.
    @Test(arguments: [0, 1, 2]) func aShutWindowIsNoDeath(_ probes: Int) {
        let death = death(deadAfter: .seconds(4)) { signs(unacknowledged: false, since: $0, probes: probes) }
        #expect(death == nil)
    }

    @Test func aShutWindowWithoutAnswersIsDeath() throws {
        let death = try #require(
            death(deadAfter: .seconds(4)) {
                signs(unacknowledged: false, since: $0, probes: Int($0 / .seconds(1)))
            })
        #expect(death >= .seconds(4) && death <= .seconds(5))
    }

    @Test func nothingPendingEndsTheLooks() {
        var liveness = Liveness(deadAfter: .seconds(4))
        let start = start
        var time = EventTime { start }
        #expect(liveness.nextLook == nil)
        liveness.sent(&time)
        #expect(liveness.nextLook == start + .milliseconds(100))
        let isDead = liveness.look(.quiet, now: start + .milliseconds(500))
        #expect(!isDead)
        #expect(liveness.nextLook == nil)
    }

    // The whole port.

    private func deadline(_ port: PortBench) -> MonotonicTime? { port.tty.nextDeadline() }

    /// Lets time pass while the peer acknowledges nothing.
    private func beSilent(
        _ port: PortBench, _ nanoseconds: UInt64, hasUnacknowledged: Bool = true, probes: Int = 0
    ) {
        let start = port.clock.now
        while port.clock.now.since(start) < nanoseconds {
            port.socket.lifeSigns = signs(
                unacknowledged: hasUnacknowledged, since: port.clock.now.since(start), probes: probes)
            port.advance(.milliseconds(50))
        }
    }

    /// The cable is pulled while the socket is full: nothing comes back, and nothing can be sent.
    @Test(arguments: [2, 20] as [UInt64]) func aPulledCableIsNoticedWithAFullSocket(_ seconds: UInt64) throws {
        try withPort({ $0.deadAfter = .seconds(seconds) }) { port in
            let file = try port.openRaw()
            port.advance(.seconds(5))
            port.room = 100
            _ = port.write(file, [UInt8](repeating: 1, count: 1000))
            port.network = .refuses(.hostIsDown)
            beSilent(port, .seconds(seconds) - .milliseconds(100))
            #expect(port.tty.link == .up)
            beSilent(port, .seconds(seconds) - .milliseconds(100))
            #expect(port.tty.link == .up, "bytes acknowledged meanwhile count")
            beSilent(port, .seconds(seconds + 1))
            #expect(port.tty.link != .up)
            #expect(port.log.contains("connection lost: no acknowledgement from the server for \(seconds) s"))
            // Bytes that the socket did not take are kept.
            try #expect(port.number(file, .TIOCOUTQ) == 900)
        }
    }

    @Test func aShutWindowKeepsTheConnection() throws {
        try withPort({ $0.deadAfter = .seconds(2) }) { port in
            let file = try port.openRaw()
            port.room = 100
            _ = port.write(file, [UInt8](repeating: 1, count: 1000))
            beSilent(port, .seconds(120), hasUnacknowledged: false, probes: 1)
            #expect(port.tty.link == .up && port.connections == 1)
        }
    }

    /// An idle connection causes no wake-up.
    @Test func anIdleConnectionIsLeftAlone() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.advance(.seconds(5))
            #expect(deadline(port) == nil)
            _ = port.write(file, Array("hello"))
            #expect(deadline(port) != nil)
            port.advance(.seconds(5))
            let looks = port.socket.looks
            #expect(looks > 0)
            #expect(deadline(port) == nil)
            port.advance(.seconds(3600))
            #expect(port.socket.looks == looks)
        }
    }
}
