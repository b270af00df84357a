import Platform
import RFC2217
import SerialLine
import Simulator
import Testing

@Suite struct LoopbackTests {
    @Test func echoesAndKeepsTheOrder() throws {
        try withSimulator { server, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send([0x41, 0xFF, 0xFF, 0x42])
            #expect(client.receives([0x41, 0xFF, 0x42]))
            try client.send(.setBaudRate(115_200), .setControl(.dtrOn))
            #expect(client.receives(.setControl(.dtrOn)))
            #expect(log.requests(of: 0) == [.setBaud(115_200), .setDTR(true)])
            #expect(log.data(of: 0) == [0x41, 0xFF, 0x42])
            #expect(server.snapshot(of: 0)?.state.settings.baud == 115_200)
        }
    }

    @Test func linesComeBack() throws {
        try withSimulator { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.rtsOn))
            #expect(client.receives(.notifyModemState([.cts, .deltaCTS])))
            try client.send(.setControl(.dtrOn))
            #expect(client.receives(.notifyModemState([.cts, .dsr, .dcd, .deltaDSR, .deltaDCD])))
            try client.send(.setControl(.rtsOff))
            #expect(client.receives(.notifyModemState([.dsr, .dcd, .deltaCTS])))
        }
    }

    @Test func aBreakComesBackAsALineStateOrANUL() throws {
        try withSimulator { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send([0x41])
            try client.send(.setControl(.breakOn), .setControl(.breakOff))
            try client.send([0x42])
            #expect(client.receives([0x41, 0x00, 0x42]))
            client.forget()
            try client.send(.setLineStateMask(.breakDetected), .setControl(.breakOn), .setControl(.breakOff))
            #expect(client.receives(.setControl(.breakOff)))
            try client.send([0x43])
            #expect(client.receives([0x43]))
            #expect(client.commands.contains(.notifyLineState(.breakDetected)))
        }
    }

    @Test func aBreakByTelnetCommandEnds() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setLineStateMask(.breakDetected))
            try client.send([255, 243])
            #expect(client.receives(.notifyLineState(.breakDetected)))
            // Nothing leaves while the break lasts.
            try client.send([0x41])
            #expect(client.receives([0x41]))
            #expect(server.snapshot(of: 0)?.state.isBreaking == false)
        }
    }

    @Test func aMegabyteComesBackWhole() throws {
        try withSimulator { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            var random = SystemRandomNumberGenerator()
            let sent = (0..<1_000_000).map { _ in random.next() as UInt8 }
            var escaped: [UInt8] = []
            escaped.appendTelnetData(sent.span)
            var start = 0
            // Sending and receiving in turn: the simulator holds at most its buffers.
            let done = eventually(seconds: 60) {
                start += client.sendSome(Array(escaped[start..<min(start + 65536, escaped.count)]))
                client.listen(milliseconds: 1)
                return client.data.count == sent.count
            }
            #expect(done)
            #expect(client.data == sent)
        }
    }

    @Test func aClientThatDoesNotReadIsHeldUp() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            let chunk = [UInt8](repeating: 0x41, count: 65536)
            var sent = 0
            var held = 0
            // At most the socket buffers of both sides and the simulator's own.
            let isHeld = eventually(seconds: 20) {
                let some = client.sendSome(chunk)
                sent += some
                held = some == 0 ? held + 1 : 0
                return held == 40
            }
            #expect(isHeld)
            let snapshot = try #require(server.snapshot(of: 0))
            #expect(snapshot.outgoingCount > 0)
            #expect(snapshot.transmitCount + snapshot.receivedCount + snapshot.outgoingCount <= 256 * 1024)
            // All of it comes once it is read.
            #expect(client.wait(seconds: 30) { $0.data.count == sent })
        }
    }

    @Test func xoffHoldsAndXonReleases() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.flow(.xonXoff)))
            #expect(client.receives(.setControl(.flow(.xonXoff))))
            server.inject([0x13], port: 0)
            try client.send([0x41])
            #expect(eventually { server.snapshot(of: 0)?.transmitCount == 1 })
            server.inject([0x11], port: 0)
            #expect(client.receives([0x41]))
        }
    }

    @Test func hardwareFlowControlWaitsForCTS() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.flow(.hardware)))
            try client.send([0x41])
            #expect(eventually { server.snapshot(of: 0)?.transmitCount == 1 })
            try client.send(.setControl(.rtsOn))
            #expect(client.receives([0x41]))
        }
    }

    @Test func purgeEmptiesTheTransmitBuffer() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(.flow(.hardware)))
            try client.send([0x41])
            try client.send(.purgeData(2), .setControl(.rtsOn))
            #expect(client.receives(.purgeData(2)))
            try client.send([0x42])
            #expect(client.receives([0x42]))
        }
    }

    @Test func suspendHoldsData() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.flowControlSuspend)
            try client.send([0x41])
            #expect(eventually { server.snapshot(of: 0)?.receivedCount == 1 })
            try client.send(.flowControlResume)
            #expect(client.receives([0x41]))
        }
    }

    @Test func purgeEmptiesTheReceiveBuffer() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.flowControlSuspend)
            try client.send([0x41])
            try client.send(.setBaudRate(300))
            #expect(client.receives(.setBaudRate(300)))
            try client.send(.purgeData(1), .flowControlResume)
            #expect(client.receives(.purgeData(1)))
            try client.send([0x42])
            #expect(client.receives([0x42]))
        }
    }

    @Test func injectedLinesErrorsAndDataArrive() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            server.setLines([.ri], of: [.ri], port: 0)
            #expect(client.receives(.notifyModemState([.ri])))
            server.releaseLines(port: 0)
            #expect(client.receives(.notifyModemState([.trailingRI])))
            try client.send(.setLineStateMask(.errors))
            #expect(client.receives(.setLineStateMask(.errors)))
            client.forget()
            server.inject([0x41], port: 0)
            server.inject(.parity, byte: 0x42, port: 0)
            server.inject([0x43], port: 0)
            #expect(client.receives([0x41, 0x42, 0x43]))
            // The report stands between the good bytes and the bad one.
            #expect(client.wire == [0x41, 255, 250, 44, 106, 4, 255, 240, 0x42, 0x43])
        }
    }
}
