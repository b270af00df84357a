import RFC2217
import SerialLine
import Simulator
import Testing

@Suite struct FaultTests {
    @Test func plansAreRead() {
        #expect(LineErrorPlan("100") == LineErrorPlan(every: 100))
        #expect(LineErrorPlan("parity:7") == LineErrorPlan(states: [.parity], every: 7))
        #expect(LineErrorPlan("break:1") == LineErrorPlan(states: [.breakDetected], every: 1))
        for bad in ["", "0", "-1", "parity", "parity:", "parity:0", "noise:3", "parity:1:2", ":3"] {
            #expect(LineErrorPlan(bad) == nil)
        }
        #expect(Wiring("exec:cat") == .command("cat"))
        #expect(Wiring("tty:/dev/ttyS0") == .tty("/dev/ttyS0"))
        #expect(Wiring("exec:") == nil && Wiring("loop") == nil && Wiring("") == nil && Wiring("foo:bar") == nil)
    }

    @Test func everyNthByteHasAnError() throws {
        try withSimulator([.loopback], ports: 1, { $0.faults.lineErrors = LineErrorPlan(every: 3) }) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send(.setLineStateMask(.errors))
            #expect(client.receives(.setLineStateMask(.errors)))
            client.forget()
            let sent = [UInt8](0x41..<0x4D)
            try client.send(sent)
            #expect(client.receives(sent))
            #expect(
                client.commands == [
                    .notifyLineState(.parity), .notifyLineState(.framing), .notifyLineState(.overrun),
                    .notifyLineState(.breakDetected),
                ])
            // Each stands before its byte.
            #expect(client.wire.starts(with: [0x41, 0x42, 255, 250, 44, 106, 4, 255, 240, 0x43]))
        }
    }

    @Test func unmaskedErrorsLeaveTheBytes() throws {
        try withSimulator(
            [.loopback], ports: 1, { $0.faults.lineErrors = LineErrorPlan(states: [.parity], every: 2) }
        ) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            try client.send([1, 2, 3, 4, 5])
            #expect(client.receives([1, 2, 3, 4, 5]))
            #expect(client.commands.isEmpty)
        }
    }

    @Test func modemLinesChangeByThemselves() throws {
        try withSimulator([.loopback], ports: 1, { $0.faults.modemChangeInterval = .milliseconds(20) }) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            #expect(client.wait { $0.commands.count >= 8 })
            let changes = client.commands.compactMap {
                if case .notifyModemState(let state) = $0 { state } else { nil }
            }
            for change in [[.ri], [.trailingRI], [.dcd, .deltaDCD], [.deltaDCD], [.cts, .deltaCTS]] as [ModemState] {
                #expect(changes.contains(change))
            }
        }
    }

    @Test func dropsAfterSoManyBytes() throws {
        try withSimulator([.loopback], ports: 1, { $0.faults.dropAfter = 10 }) { _, ports, log in
            for _ in 0..<2 {
                let client = try TestClient.negotiated(ports[0])
                try client.send([UInt8](0..<30))
                #expect(client.wait { $0.isClosed })
                #expect(log.wait(port: 0) { $0.last == .disconnected })
            }
            #expect(log.data(of: 0) == [UInt8](0..<10) + [UInt8](0..<10))
        }
    }

    @Test func stallsAfterSoManyBytesUntilResumed() throws {
        try withSimulator([.loopback], ports: 1, { $0.faults.stallAfter = 10 }) { server, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send([UInt8](0..<30))
            #expect(log.wait(port: 0) { $0.contains(.stalled(true)) })
            #expect(client.receives([UInt8](0..<10)))
            #expect(log.data(of: 0).count == 10)
            server.resumeStalled()
            #expect(client.receives([UInt8](0..<30)))
        }
    }

    @Test func stallsForATime() throws {
        try withSimulator(
            [.loopback], ports: 1,
            {
                $0.faults.stallAfter = 1
                $0.faults.stallNanoseconds = .milliseconds(50)
            }
        ) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send([1, 2])
            #expect(client.receives([1, 2]))
            #expect(
                log.events(of: 0).filter { if case .stalled = $0 { true } else { false } } == [
                    .stalled(true), .stalled(false),
                ])
        }
    }
}
