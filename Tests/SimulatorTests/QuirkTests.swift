import RFC2217
import SerialLine
import Simulator
import SystemPackage
import Testing

/// What quirks do that the server's role alone cannot show.
@Suite struct QuirkTests {
    @Test func splitAnswersComeByteByByte() throws {
        try withSimulator(quirks: [.splitAnswers]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            client.forget()
            for _ in 0..<20 { try client.send(.setBaudRate(9600)) }
            #expect(client.wait { $0.commands.count == 20 })
            #expect(client.wire.count == 200)
            // A slow reader may find two in one, but not a whole answer.
            #expect(client.segments.count > 60)
            client.forget()
            // Data alone is not split.
            try client.send([UInt8](repeating: 0x41, count: 5000))
            #expect(client.wait { $0.data.count == 5000 })
            #expect(client.segments.count < 100)
        }
    }

    @Test func oneThatAnswersNothingStillSendsData() throws {
        try withSimulator(quirks: [.noAnswers]) { _, ports, log in
            let client = try TestClient(ports[0])
            try client.send([255, 251, 44])
            #expect(log.wait(port: 0) { $0.contains(.negotiated) })
            // Its offers, the last of them COM-PORT-OPTION.
            #expect(client.wait { $0.wire.suffix(3) == [255, 253, 44] })
            client.forget()
            try client.send(
                .setBaudRate(4800), .setControl(.dtrOn), .purgeData(1), .signature([]), .notifyModemState([]))
            // DO TIMING-MARK, and a break.
            try client.send([255, 253, 6, 255, 243, 0x41])
            #expect(client.receives([0, 0x41]))
            #expect(client.wire == [0, 0x41])
            #expect(log.requests(of: 0).contains(.setBaud(4800)))
        }
    }

    @Test func rawEchoesTelnetToo() throws {
        try withSimulator(quirks: [.raw]) { _, ports, _ in
            let client = try TestClient(ports[0])
            try client.send([255, 251, 44, 0x41])
            #expect(client.wait { $0.wire.count == 4 })
            #expect(client.wire == [255, 251, 44, 0x41])
        }
    }

    @Test func silentNeitherSpeaksNorCloses() throws {
        try withSimulator(quirks: [.silent]) { server, ports, log in
            let client = try TestClient(ports[0])
            try client.send([255, 251, 44, 0x41])
            client.listen(milliseconds: 100)
            #expect(client.wire.isEmpty && !client.isClosed)
            #expect(log.data(of: 0).isEmpty)
        }
    }

    @Test func aBannerComesFirst() throws {
        try withSimulator(quirks: [.banner]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            #expect(client.wire.starts(with: Array("Welcome to the serial console\r\n".utf8)))
        }
    }

    @Test func theDeadCloseTheConnection() throws {
        try withSimulator(quirks: [.espRS]) { _, ports, _ in
            let client = try TestClient(ports[0])
            try client.send([255, 252, 3])
            #expect(client.wait { $0.isClosed })
        }
        try withSimulator(quirks: [.pyserial]) { _, ports, log in
            let client = try TestClient(ports[0])
            try client.send([255, 253, 44])
            try client.send(.setParity(9))
            #expect(client.wait { $0.isClosed })
            #expect(log.requests(of: 0).isEmpty)
        }
    }

    @Test func firstSettingsAreLostByTime() throws {
        try withSimulator(quirks: [.loseFirstSettings]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setBaudRate(1200))
            // Later ones count.
            #expect(
                eventually {
                    try? client.send(.setBaudRate(2400))
                    client.listen(milliseconds: 50)
                    return client.commands.contains(.setBaudRate(2400))
                })
            #expect(!log.requests(of: 0).contains(.setBaud(1200)))
        }
    }

    @Test func moxaHoldsItsClientWhileItIsFull() throws {
        try withSimulator([.loopback], ports: 1, quirks: [.moxa], { $0.isPaced = true }) { _, ports, _ in
            let client = try TestClient(ports[0])
            try client.send(.setBaudRate(115_200))
            try client.send([UInt8](repeating: 0x41, count: 4000))
            #expect(client.receives(.flowControlSuspend))
            #expect(client.receives(.flowControlResume))
            // Sent with the client's own codes.
            #expect(client.wire.contains(sequence: [255, 250, 44, 8, 255, 240]))
            #expect(client.wire.contains(sequence: [255, 250, 44, 9, 255, 240]))
        }
    }

    @Test func mio04RefusesClientsUntilItCanDrain() throws {
        try withSimulator([.loopback], ports: 1, quirks: [.mio04], { $0.faults.holdsCTS = true }) {
            server, ports, log in
            let first = try TestClient.negotiated(ports[0])
            try first.send(.setControl(.flow(.hardware)))
            try first.send([0x41])
            #expect(log.wait(port: 0) { $0.last == .data([0x41]) })
            first.hangUp()
            #expect(log.wait(port: 0) { $0.last == .disconnected })
            #expect(server.snapshot(of: 0)?.transmitCount == 1)
            #expect(
                eventually {
                    do {
                        _ = try TestClient(ports[0])
                        return false
                    } catch {
                        return error as? Errno == .connectionRefused
                    }
                })
            server.releaseLines(port: 0)
            server.setLines([.cts], of: [.cts], port: 0)
            #expect(
                eventually {
                    guard let next = try? TestClient.negotiated(ports[0]), !next.isClosed else { return false }
                    return true
                })
        }
    }

    @Test func mio04DoesNotHearItselfInHalfDuplex() throws {
        try withSimulator(quirks: [.mio04]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setControl(ControlValue(rawValue: 20)))
            try client.send([0x41])
            try client.send(.setControl(ControlValue(rawValue: 21)))
            #expect(client.receives(.setControl(ControlValue(rawValue: 21))))
            try client.send([0x42])
            #expect(client.receives([0x42]))
        }
    }

    @Test func ser2netDropsTheBadByte() throws {
        try withSimulator(
            [.loopback], ports: 1, quirks: [.ser2net],
            { $0.faults.lineErrors = LineErrorPlan(states: [.parity], every: 2) }
        ) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send([1, 2, 3])
            #expect(client.receives([1, 2, 3]))
            try client.send(.setLineStateMask(.parity))
            #expect(client.receives(.setLineStateMask(.parity)))
            client.forget()
            try client.send([4, 5])
            #expect(client.receives([5]))
            #expect(client.commands == [.notifyLineState(.parity)])
        }
    }

    /// Every quirk takes a client's whole opening and its hostile bytes, and serves the next client.
    @Test(arguments: ServerQuirk.allCases) func everyQuirkOutlivesItsClients(_ quirk: ServerQuirk) throws {
        try withSimulator(quirks: [quirk]) { server, ports, log in
            var random = SystemRandomNumberGenerator()
            for _ in 0..<10 {
                let client = try TestClient(ports[0])
                var opening: [UInt8] = [255, 251, 44, 255, 253, 44]
                for command in [.setBaudRate(9600), .setControl(.dtrOn), .purgeData(3)] as [ComPortCommand] {
                    opening.appendComPort(command, from: .client)
                }
                opening += (0..<200).map { _ in random.next() as UInt8 } + [255, 250, 44]
                _ = client.sendSome(opening)
                client.listen(milliseconds: 10)
                client.reset()
                #expect(eventually { server.snapshot(of: 0).map { $0.client == nil } ?? false })
            }
            #expect(log.events(of: 0).filter { $0 == .disconnected }.count == 10)
        }
    }
}

extension [UInt8] {
    func contains(sequence: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: sequence) }
    }
}
