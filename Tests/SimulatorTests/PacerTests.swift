import Platform
import RFC2217
import SerialLine
import Testing

@testable import Simulator

@Suite struct PacerTests {
    private let start = MonotonicTime(nanoseconds: 5_000)

    @Test func aByteLeavesAfterItsFrame() {
        var pacer = Pacer()
        #expect(pacer.leave(waiting: 1, frame: 100, now: start) == 0)
        #expect(pacer.deadline(frame: 100) == start + 100)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 99) == 0)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 100) == 1)
        #expect(pacer.deadline(frame: 100) == nil)
    }

    @Test func lateWakingsLoseNoTime() {
        var pacer = Pacer()
        var waiting = 1000
        var now = start
        var random = SystemRandomNumberGenerator()
        _ = pacer.leave(waiting: waiting, frame: 100, now: now)
        while waiting > 0 {
            now = now + UInt64.random(in: 1...5000, using: &random)
            let left = pacer.leave(waiting: waiting, frame: 100, now: now)
            waiting -= left
            let elapsed = now.since(start)
            // Neither more than time allows, nor less while bytes are waiting.
            #expect(UInt64(1000 - waiting) <= elapsed / 100)
            if waiting > 0 { #expect(UInt64(1000 - waiting) == elapsed / 100) }
        }
    }

    @Test func anIdleLineSavesNoTime() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 1, frame: 100, now: start)
        #expect(pacer.leave(waiting: 1, frame: 100, now: start + 100) == 1)
        #expect(pacer.leave(waiting: 0, frame: 100, now: start + 200) == 0)
        #expect(pacer.leave(waiting: 50, frame: 100, now: start + 100_000) == 0)
        #expect(pacer.leave(waiting: 50, frame: 100, now: start + 100_100) == 1)
    }

    @Test func aStoppedLineSavesNoTime() {
        var pacer = Pacer()
        _ = pacer.leave(waiting: 10, frame: 100, now: start)
        pacer.stop()
        #expect(pacer.leave(waiting: 10, frame: 100, now: start + 1000) == 0)
        #expect(pacer.leave(waiting: 10, frame: 100, now: start + 1100) == 1)
    }

    @Test func pacedBytesTakeTheirTime() throws {
        // 960 bytes of 10 bits at 9600 baud are one second.
        try withSimulator([.loopback], ports: 1, { $0.isPaced = true }) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            let begin = MonotonicTime.now
            let sent = (0..<960).map { UInt8(truncatingIfNeeded: $0 % 250) }
            try client.send(sent)
            #expect(client.receives(sent))
            #expect(MonotonicTime.now.since(begin) >= .milliseconds(990))
        }
    }

    @Test func beyondTheTransmitBufferTCPHoldsTheClient() throws {
        // 300 baud: 30 bytes a second, so the buffer stays full for the time of the test.
        try withSimulator([.loopback], ports: 1, { $0.isPaced = true }) { server, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setBaudRate(300))
            try client.send([UInt8](repeating: 0x41, count: 20_000))
            #expect(eventually { (server.snapshot(of: 0)?.transmitCount ?? 0) >= 4000 })
            let snapshot = try #require(server.snapshot(of: 0))
            #expect(snapshot.transmitCount <= 4096)
            #expect(log.data(of: 0).count < 8192)
            // What is in the buffer can be purged, though the request stands behind bytes not yet read.
            #expect(server.snapshot(of: 0)?.client != nil)
        }
    }
}
