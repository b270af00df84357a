import Platform
import RFC2217
import SerialLine
import Testing

@testable import Simulator

@Suite struct NullModemTests {
    @Test func dataAndLinesCross() throws {
        try withSimulator([.nullModem], ports: 4) { _, ports, _ in
            for pair in [0, 2] {
                let a = try TestClient.negotiated(ports[pair])
                let b = try TestClient.negotiated(ports[pair + 1])
                try a.send([0x41])
                #expect(b.receives([0x41]))
                try b.send([0x42])
                #expect(a.receives([0x42]))
                try a.send(.setControl(.rtsOn))
                #expect(b.receives(.notifyModemState([.cts, .deltaCTS])))
                try a.send(.setControl(.dtrOn))
                #expect(b.receives(.notifyModemState([.cts, .dsr, .dcd, .deltaDSR, .deltaDCD])))
                // Lines fall with the client that held them.
                a.hangUp()
                #expect(b.wait { $0.commands.last == .notifyModemState([.deltaCTS, .deltaDSR, .deltaDCD]) })
            }
        }
    }

    /// A purge comes before data of the other end, and one turn of the simulator takes both: the data is not purged.
    @Test(arguments: [false, true]) func aPurgeIsNotOvertaken(_ isPaced: Bool) throws {
        try withSimulator([.nullModem], ports: 2, { $0.isPaced = isPaced }) { server, ports, _ in
            let a = try TestClient.negotiated(ports[0])
            let b = try TestClient.negotiated(ports[1])
            for _ in 0..<20 {
                b.forget()
                let gate = Monitor(false)
                server.send(to: 0) { _ in gate.wait { $0 } }
                try b.send(.purgeData(PurgeBuffers.receive.rawValue))
                try a.send([0x41])
                gate.withLock { $0 = true }
                gate.wakeAll()
                #expect(b.receives([0x41]))
            }
        }
    }

    @Test func aBreakIsALineStateAtTheOtherEnd() throws {
        try withSimulator([.nullModem], ports: 2) { _, ports, _ in
            let a = try TestClient.negotiated(ports[0])
            let b = try TestClient.negotiated(ports[1])
            try b.send(.setLineStateMask(.breakDetected))
            #expect(b.receives(.setLineStateMask(.breakDetected)))
            try a.send(.setControl(.breakOn))
            #expect(b.receives(.notifyLineState(.breakDetected)))
            #expect(b.data.isEmpty && a.data.isEmpty)
        }
    }

    @Test func bytesForNobodyAreLost() throws {
        try withSimulator([.nullModem], ports: 2) { server, ports, log in
            let a = try TestClient.negotiated(ports[0])
            try a.send([UInt8](repeating: 0x41, count: 200_000))
            #expect(
                log.wait(port: 0) {
                    $0.reduce(0) { if case .data(let bytes) = $1 { $0 + bytes.count } else { $0 } } == 200_000
                })
            #expect(eventually { server.snapshot(of: 0)?.transmitCount == 0 })
            let b = try TestClient.negotiated(ports[1])
            try a.send([0x42])
            #expect(b.receives([0x42]))
        }
    }

    @Test func aReaderThatIsSlowHoldsTheOtherEnd() throws {
        try withSimulator([.nullModem], ports: 2) { server, ports, log in
            let a = try TestClient.negotiated(ports[0])
            let b = try TestClient.negotiated(ports[1])
            let chunk = [UInt8](repeating: 0x41, count: 65536)
            var sent = 0
            var held = 0
            #expect(
                eventually {
                    let some = a.sendSome(chunk)
                    sent += some
                    held = some == 0 ? held + 1 : 0
                    return held == 40
                })
            let near = try #require(server.snapshot(of: 0))
            let far = try #require(server.snapshot(of: 1))
            #expect(near.transmitCount <= 65536 && far.receivedCount <= 65536 && far.outgoingCount <= 131_072)
            #expect(near.transmitCount > 0)
            #expect(b.wait(seconds: 30) { $0.data.count == sent })
        }
    }

    @Test func aPortWithoutNeighbourIsRefused() {
        #expect(throws: SimulatorError.self) { try withSimulator([.nullModem], ports: 3) { _, _, _ in } }
        #expect(throws: SimulatorError.self) {
            try withSimulator([.nullModem, .loopback], ports: 2) { _, _, _ in }
        }
    }
}
