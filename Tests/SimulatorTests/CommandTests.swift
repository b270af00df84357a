import Glibc
import RFC2217
import SerialLine
import Simulator
import Testing

@Suite struct CommandTests {
    @Test func theCommandIsTheFarEnd() throws {
        try withSimulator([.command("while read line; do echo \"got $line\"; done")]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send(Array("hello\n".utf8))
            #expect(client.receives(Array("got hello\n".utf8)))
            // It is there: its lines are up.
            try client.send([255, 250, 44, 7, 255, 240])
            #expect(client.receives(.notifyModemState([.cts, .dsr, .dcd])))
            // It outlives its client.
            client.hangUp()
            #expect(log.wait(port: 0) { $0.last == .disconnected })
            let next = try TestClient.negotiated(ports[0])
            try next.send(Array("again\n".utf8))
            #expect(next.receives(Array("got again\n".utf8)))
            #expect(log.events(of: 0).filter { if case .started = $0 { true } else { false } }.count == 1)
        }
    }

    @Test func bytesOfAllValuesPass() throws {
        try withSimulator([.command("cat")]) { _, ports, _ in
            let client = try TestClient.negotiated(ports[0])
            let all = (0..<20_000).map { UInt8(truncatingIfNeeded: $0) }
            var escaped: [UInt8] = []
            escaped.appendTelnetData(all.span)
            try client.send(escaped)
            #expect(client.receives(all))
        }
    }

    @Test func itIsStartedAgainWithPauses() throws {
        try withSimulator([.command("read line; echo \"bye $line\"")]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send([10])
            #expect(client.receives(Array("bye \n".utf8)))
            // Its lines fall as it ends, and rise as it is back.
            #expect(client.receives(.notifyModemState([.deltaCTS, .deltaDSR, .deltaDCD])))
            #expect(
                log.wait(port: 0) { events in
                    events.filter { if case .started = $0 { true } else { false } }.count == 2
                })
            client.forget()
            try client.send([10])
            #expect(client.receives(Array("bye \n".utf8)))
        }
    }

    @Test func itsWholeGroupIsKilled() throws {
        var shell: Int32 = 0
        try withSimulator([.command("trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000")]) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            #expect(client.wait { $0.data.contains(10) })
            let child = Int32(String(decoding: client.data.prefix { $0 != 10 }, as: UTF8.self))
            #expect(child.map { kill($0, 0) == 0 } ?? false)
            for case .started(let id) in log.events(of: 0) { shell = id }
            #expect(shell > 0)
        }
        #expect(eventually { kill(-shell, 0) == -1 && errno == ESRCH })
    }

    @Test func aCommandThatDoesNotReadHoldsItsClient() throws {
        try withSimulator([.command("sleep 1000")]) { server, ports, log in
            let client = try TestClient.negotiated(ports[0])
            try client.send([UInt8](repeating: 0x41, count: 100_000))
            // A pipe's 64 KiB, and the rest of the 100000 bytes in the transmit buffer.
            #expect(eventually { server.snapshot(of: 0)?.transmitCount == 100_000 - 65_536 })
        }
    }

    @Test func itsOutputIsPaced() throws {
        // 96 bytes at 9600 baud are 100 ms.
        let command = "head -c 96 /dev/zero; sleep 1000"
        try withSimulator([.command(command)], ports: 1, { $0.isPaced = true }) { _, ports, log in
            let client = try TestClient.negotiated(ports[0])
            #expect(client.wait { $0.data.count >= 1 })
            #expect(client.data.count < 60)
            #expect(client.wait { $0.data.count == 96 })
        }
    }
}
