import Glibc
import Platform
import RFC2217
import SerialLine
import Simulator
import SystemPackage
import Testing

/// Clients that come, go, and get in each other's way.
@Suite struct ClientTests {
    @Test func aSecondClientIsToldWhoHasThePort() throws {
        try withSimulator { server, ports, log in
            let first = try TestClient.negotiated(ports[0])
            let owner = try #require(server.snapshot(of: 0)?.client)
            let second = try TestClient(ports[0])
            // It may have much to say before it listens.
            for _ in 0..<20 {
                try second.send([255, 251, 44] + [UInt8](repeating: 0x41, count: 2000))
                usleep(1000)
            }
            #expect(second.wait { $0.isClosed })
            #expect(!second.wasReset)
            #expect(String(decoding: second.wire, as: UTF8.self) == "port is in use by \(owner)\r\n")
            try first.send([0x41])
            #expect(first.receives([0x41]))
            #expect(log.events(of: 0).contains { if case .refused = $0 { true } else { false } })
        }
    }

    @Test(arguments: [false, true]) func aDeadClientFreesThePort(_ byReset: Bool) throws {
        try withSimulator { _, ports, log in
            let first = try TestClient.negotiated(ports[0])
            if byReset { first.reset() } else { first.hangUp() }
            #expect(log.wait(port: 0) { $0.last == .disconnected })
            let second = try TestClient.negotiated(ports[0])
            try second.send([0x41])
            #expect(second.receives([0x41]))
        }
    }

    @Test(arguments: [false, true]) func aDeadClientFreesThePortThoughItsBytesAreHeld(_ byReset: Bool) throws {
        try withSimulator([.loopback], ports: 1, { $0.faults.holdsCTS = true }) { server, ports, _ in
            let first = try TestClient.negotiated(ports[0])
            try first.send(.setControl(.flow(.hardware)))
            // With bytes unread, its close would be a reset too.
            #expect(first.receives(.setControl(.flow(.hardware))))
            // More than the transmit buffer, but not more than the sockets hold: a FIN cannot overtake its data.
            try first.send([UInt8](repeating: 0x41, count: 70_000))
            #expect(eventually { server.snapshot(of: 0)?.transmitCount == 65536 })
            if byReset { first.reset() } else { first.hangUp() }
            // The close may still be on its way when the next client comes.
            var second: TestClient?
            #expect(
                eventually {
                    second = try? TestClient.negotiated(ports[0])
                    return second?.isClosed == false
                })
            // What the first left behind is gone.
            #expect(server.snapshot(of: 0)?.transmitCount == 0)
        }
    }

    @Test func bytesBeforeTheCloseStillCount() throws {
        try withSimulator { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            let sent = [UInt8](repeating: 0x41, count: 100_000)
            try client.send(sent)
            client.finish()
            #expect(client.wait { $0.isClosed })
            #expect(log.data(of: 0) == sent)
            #expect(client.data == sent)
        }
    }

    @Test func settingsOutliveTheClientButLinesDoNot() throws {
        try withSimulator { server, ports, log in
            let first = try TestClient.negotiated(ports[0])
            try first.send(.setBaudRate(1200), .setControl(.dtrOn), .setControl(.breakOn))
            #expect(first.receives(.setControl(.breakOn)))
            first.hangUp()
            #expect(log.wait(port: 0) { $0.last == .disconnected })
            let state = try #require(server.snapshot(of: 0)?.state)
            #expect(state.settings.baud == 1200)
            #expect(state.outputs.isEmpty && !state.isBreaking && state.inputs.isEmpty)
        }
    }

    @Test func theServerCanDropItsClient() throws {
        try withSimulator { server, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            server.dropClient(port: 0)
            #expect(client.wait { $0.isClosed })
            #expect(!client.wasReset)
            let next = try TestClient.negotiated(ports[0])
            server.dropClient(port: 0, abortive: true)
            #expect(next.wait { $0.isClosed })
            #expect(next.wasReset)
        }
    }

    @Test func stopClosesEverythingAndStartsAgain() throws {
        var configuration = SimulatorConfiguration()
        configuration.ports = 3
        let server = SimulatorServer(configuration)
        let ports = try server.start()
        let client = try TestClient.negotiated(ports[2])
        server.stop()
        #expect(client.wait { $0.isClosed })
        #expect(throws: Errno.connectionRefused) { try TestClient(ports[0]) }
        #expect(server.snapshot(of: 0) == nil)
        server.stop()
        // The same port can be had at once.
        configuration.ports = 1
        configuration.firstPort = ports[2]
        let again = SimulatorServer(configuration)
        #expect(try again.start() == [ports[2]])
        again.stop()
    }

    @Test func anAddressInUseIsNamed() throws {
        try withSimulator { _, ports, _ in
            var configuration = SimulatorConfiguration()
            configuration.ports = 1
            configuration.firstPort = ports[0]
            let error = #expect(throws: SimulatorError.self) { _ = try SimulatorServer(configuration).start() }
            #expect(error.map { "\($0)".hasPrefix("cannot listen on 127.0.0.1:\(ports[0]): ") } ?? false)
        }
    }

    @Test func theTraceReadsAlong() throws {
        let lines = Monitor<[String]>([])
        try withSimulator(
            [.loopback], ports: 1, { $0.trace = { port, trace in lines.withLock { $0.append("\(port) \(trace)") } } }
        ) {
            _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setBaudRate(9600))
            #expect(client.receives(.setBaudRate(9600)))
            let words = ["client: WILL", "server: DO", "client: SET-BAUDRATE 9600", "server: SET-BAUDRATE 9600"]
            #expect(
                eventually { words.allSatisfy { word in lines.withLock { $0.contains { $0.hasPrefix("0 " + word) } } } }
            )
        }
    }
}
