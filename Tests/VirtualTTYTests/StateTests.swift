import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// The reported status of a port.
@Suite struct StateTests {
    @Test func aConnectionsLife() throws {
        try withPort { port in
            #expect(port.tty.state.link == .idle)
            port.delay = .milliseconds(10)
            let start = port.clock.now
            let file = try port.openRaw()
            #expect(port.tty.state.link == .connected)
            #expect(port.tty.state.peer == "bench")
            #expect(port.tty.state.since > start)
            port.network = .refuses(.connectionRefused)
            port.advance(.seconds(3))
            port.breakLink()
            let lost = port.clock.now
            port.advance(.seconds(7))
            // However often it is tried meanwhile.
            #expect(port.tty.state.link == .lost && port.tty.state.since == lost)
            #expect(
                port.tty.state.peer == nil
                    && port.tty.state.lastFault?.hasPrefix("cannot connect to bench:1: Connection refused") == true)
            #expect(port.tty.state.reconnects == 0)
            port.network = .accepts
            port.advance(.seconds(7))
            #expect(port.tty.state.link == .connected && port.tty.state.reconnects == 1)
            _ = port.release(file)
            port.advance(.seconds(1))
            #expect(port.tty.state.link == .idle && port.tty.state.reconnects == 1)
            let links = port.changes.map(\.link)
            #expect(links.filter { $0 == .lost }.count == 1)
            #expect(links.first == .connecting && links.last == .idle)
        }
    }

    @Test func neverThereIsNotLost() throws {
        try withPort({ $0.connect = .always }) { port in
            port.network = .refuses(.connectionRefused)
            port.tell { $0.start() }
            port.advance(.seconds(60))
            #expect(port.tty.state.link == .connecting)
            #expect(port.tty.state.lastFault?.hasPrefix("cannot connect to bench:1: Connection refused") == true)
            #expect(port.tty.state.lastFaultAt > MonotonicTime(nanoseconds: .seconds(1050)))
        }
    }

    @Test func filesAndSettings() throws {
        try withPort { port in
            let id = port.newRequest()
            port.tell { $0.open(id, by: 4711) { false } }
            guard case .opened(let file) = port.outcome(id) else { return port.fail("not opened") }
            _ = try port.openFile()
            #expect(port.tty.state.openers == [4711, 0])
            let before = port.changes.count
            try port.change(file) { $0.setBaud(115_200) }
            #expect(port.changes.count == before + 1)
            #expect(port.changes.last?.settings.baud == 115_200)
            // What changes nothing is not told.
            try port.change(file) { $0[.VMIN] = 3 }
            #expect(port.changes.count == before + 1)
            _ = port.release(file)
            #expect(port.tty.state.openers == [0])
            #expect(port.changes.count == before + 2)
        }
    }

    @Test func bytesAreCountedBothWays() throws {
        try withPort { port in
            let file = try port.openRaw()
            _ = port.write(file, [UInt8](repeating: 0xFF, count: 5000))
            port.far { $0.send([1, 0xFF, 3]) }
            #expect(port.tty.state.counters.transmitted == 5000)
            #expect(port.tty.state.counters.received == 3)
            #expect(port.changes.allSatisfy { $0.counters.received == 0 })
        }
    }

    @Test func otherServersAreTriedAtOnce() throws {
        try withPort({ $0.lossTimeout = nil }) { port in
            _ = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.breakLink()
            port.advance(.seconds(60))
            let before = port.connections
            port.network = .accepts
            port.tell { $0.setServers([Endpoint(host: "other", port: 2)]) }
            #expect(port.connections == before + 1 && port.tty.link == .up)
            // An established connection is kept.
            port.tell { $0.setServers([Endpoint(host: "other", port: 2)]) }
            #expect(port.connections == before + 1)
        }
    }
}
