import Platform
import RFC2217
import SerialLine
import Testing

@testable import Simulator

/// Ports whose bytes take their time.
@Suite struct PacedLineTests {
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
            // A purge drops the bytes in the buffer, though its request stands behind unread bytes.
            #expect(server.snapshot(of: 0)?.client != nil)
        }
    }

    @Test(arguments: [0, 4096, 20480])
    func theTransmitBufferHasItsSize(_ size: Int) throws {
        try withPace({ $0.transmitBuffer = size }) { server, client, _ in
            try client.send(.setBaudRate(300))
            try client.send([UInt8](repeating: 0x41, count: 30_000))
            // Half a second of a line that sends 30 bytes a second.
            #expect(eventually { (server.snapshot(of: 0)?.transmitCount ?? 0) >= max(size - 8, 1) })
            client.listen(milliseconds: 200)
            #expect(try #require(server.snapshot(of: 0)).transmitCount <= max(size, 1))
        }
    }

    @Test func withoutABufferAnAnswerWaitsForTheLine() throws {
        try withPace({ $0.transmitBuffer = 0 }) { _, client, line in
            // 96 bytes at 9600 baud are 100 ms.
            try client.send([UInt8](repeating: 0x41, count: 96) + question)
            #expect(client.receives(.setDataSize(8)))
            let answered = MonotonicTime.now
            let left = try #require(line.departures.last)
            #expect(left.count == 96)
            #expect(answered >= left.time)
        }
    }

    @Test func withABufferAnAnswerDoesNotWait() throws {
        try withPace { _, client, line in
            try client.send([UInt8](repeating: 0x41, count: 960) + question)
            #expect(client.receives(.setDataSize(8)))
            #expect(line.departures.last.map { $0.count < 900 } ?? true)
        }
    }

    @Test func aCommandPassesAFullBuffer() throws {
        try withPace({ $0.transmitBuffer = 10 }) { _, client, line in
            try client.send([UInt8](repeating: 0x41, count: 100) + question)
            #expect(client.receives(.setDataSize(8)))
            // 90 bytes have left, or there was no room for the last one.
            #expect(line.departures.last.map { (88...100).contains($0.count) } ?? false)
        }
    }

    @Test(arguments: [0, 4096])
    func aFastLineIsKeptBusy(_ size: Int) throws {
        try withPace({ $0.transmitBuffer = size }) { _, client, line in
            try client.send(.setBaudRate(4_000_000))
            try client.send([UInt8](repeating: 0x41, count: 40_000))
            #expect(eventually { line.departures.last?.count == 40_000 })
            let departures = line.departures
            let first = try #require(departures.first), last = try #require(departures.last)
            // 2.5 us a byte.
            let ideal = UInt64(last.count - first.count) * 2500
            #expect(last.time.since(first.time) >= ideal)
            #expect(last.time.since(first.time) <= ideal + ideal / 10)
        }
    }

    @Test(arguments: [-20.0, 25.0])
    func aLineHasARateOfItsOwn(_ percent: Double) throws {
        try withPace({ $0.rateErrorPercent = percent }) { _, client, line in
            try client.send([UInt8](repeating: 0x41, count: 48))
            #expect(eventually { line.departures.last?.count == 48 })
            let departures = line.departures
            let first = try #require(departures.first), last = try #require(departures.last)
            let frame = UInt64(1_041_666 / (1 + percent / 100))
            #expect(last.time.since(first.time) == UInt64(last.count - first.count) * frame)
        }
    }

    @Test func aPurgeMayBeIgnored() throws {
        try withPace({ $0.profile.ignoresPurge = true }) { _, client, line in
            try client.send([UInt8](repeating: 0x41, count: 48))
            try client.send(.purgeData(3))
            #expect(client.receives(.purgeData(3)))
            #expect(eventually { line.departures.last?.count == 48 })
        }
    }

    @Test func theClientsSocketIsBounded() throws {
        try withPace({ $0.receiveBuffer = 4096 }) { _, client, _ in
            client.limitSendBuffer(4096)
            try client.send(.setBaudRate(300))
            let data = [UInt8](repeating: 0x41, count: 4096)
            var taken = 0
            // Nothing is taken any more for 100 ms.
            while true {
                let sent = client.sendSome(data)
                taken += sent
                if sent > 0 { continue }
                guard eventually(seconds: 1, { client.canSend }) else { break }
            }
            // The transmit buffer, and two socket buffers with what the kernel makes of their sizes.
            #expect((8192...49152).contains(taken))
        }
    }

    /// Asks for the data size: the shortest question that every server answers.
    private var question: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendComPort(.setDataSize(0), from: .client)
        return bytes
    }

    /// When bytes left the line.
    private final class Line: Sendable {
        private let log = Monitor<[(time: MonotonicTime, count: Int)]>([])

        var departures: [(time: MonotonicTime, count: Int)] { log.withLock { $0 } }

        func note(_ time: MonotonicTime, _ count: Int) { log.withLock { $0.append((time, count)) } }
    }

    /// Runs `body` with one paced port, a client of it, and what left its line.
    private func withPace(
        _ change: (inout SimulatorConfiguration) -> Void = { _ in },
        _ body: (SimulatorServer, TestClient, Line) throws -> Void
    ) throws {
        let line = Line()
        try withSimulator(
            [.loopback], ports: 1,
            { configuration in
                configuration.isPaced = true
                configuration.lineObserver = { line.note($1, $2) }
                change(&configuration)
            },
            { server, ports, _ in try body(server, try TestClient.negotiated(ports[0]), line) })
    }
}
