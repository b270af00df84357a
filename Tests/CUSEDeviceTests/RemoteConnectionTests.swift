import Glibc
import LineDiscipline
import Platform
import PortRuntime
import RemotePort
import SerialLine
import Simulator
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// One TCP connection over loopback: windows, resets and delayed acknowledgements, which only real sockets have.
@Suite struct RemoteConnectionTests {
    private func withServer(
        _ server: TCPServerPlayer, deadAfter: Int32 = 15, others: [UInt16] = [],
        _ body: (DeviceRig) throws -> Void
    ) throws {
        defer { server.stop() }
        let servers = ([server.port] + others).map { Endpoint(host: "127.0.0.1", port: $0) }
        try withRemote(
            server.port,
            {
                $0.servers = servers
                $0.deadAfter = .seconds(UInt64(deadAfter))
            }, deadAfter: deadAfter, body)
    }

    private func connections(_ log: SimulatorLog) -> Int {
        log.events(of: 0).count { if case .connected = $0 { true } else { false } }
    }

    /// A serial port under held flow control: the server reads nothing for far longer than `deadAfter`, and its kernel
    /// answers every window probe.
    @Test func aServerThatStopsReadingIsNotDead() throws {
        let server = try TCPServerPlayer(receiveBuffer: 4096)
        try withServer(server, deadAfter: 1) { rig in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 4)
            let bytes = random.escapeHeavyBytes(50_000)
            server.setReading(false)
            let writer = try Thread("writer", stackSize: 1 << 20) {
                #expect((try? kernel.writeAll(file, bytes)) == bytes.count)
            }
            sleep(4)
            #expect(rig.port.look { $0.link } == .up)
            #expect(server.connections == 1)
            server.setReading(true)
            writer.join()
            let isAllThere = eventually { server.data.count >= bytes.count }
            #expect(isAllThere && server.data == bytes)
            #expect(server.connections == 1)
        }
    }

    /// No program reads, and receiving has paused. The server ends the connection: a new one is made, writes go on, and
    /// the unread bytes come first.
    @Test(arguments: [false, true]) func anEndIsNoticedThoughNoProgramReads(_ abortive: Bool) throws {
        try withSimulatedServer { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 5)
            // More bytes than this port takes in, but few enough for the kernel's buffer: the end of the connection
            // comes behind them.
            let unread = random.bytes(290_000)
            server.inject(unread, port: 0)
            #expect(eventually { !rig.port.look { $0.wantsToReceive(isPausing: true) } })
            #expect(eventually { server.snapshot(of: 0).map { $0.receivedCount + $0.outgoingCount } == 0 })
            usleep(100_000)
            server.dropClient(port: 0, abortive: abortive)
            #expect(eventually(seconds: 5) { connections(log) == 2 && rig.port.look { $0.link } == .up })
            let written = random.bytes(100_000)
            try #expect(kernel.writeAll(file, written) == written.count)
            // The loopback plug sends the written bytes back.
            let read = try kernel.readAll(file, unread.count + written.count)
            #expect(read == unread + written)
        }
    }

    /// The end stands behind bytes that this kernel has no room for: a write shows that the server has gone.
    @Test func anEndBehindAShutWindowIsNoticedByAWrite() throws {
        try withSimulatedServer { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            server.inject([UInt8](repeating: 9, count: 1 << 20), port: 0)
            #expect(eventually { !rig.port.look { $0.wantsToReceive(isPausing: true) } })
            #expect(eventually { server.snapshot(of: 0).map { $0.receivedCount + $0.outgoingCount } == 0 })
            server.dropClient(port: 0)
            #expect(log.wait(port: 0) { $0.contains(.disconnected) })
            try #expect(kernel.write(file, [1, 2, 3]) == 3)
            #expect(eventually(seconds: 5) { connections(log) == 2 })
        }
    }

    /// With no patience for a lost connection, a writer that waits gets its answer.
    @Test func aWriterIsAnsweredThoughNoProgramReads() throws {
        try withSimulatedServer({ $0.lossTimeout = 0 }, simulator: { $0.faults.stallAfter = 1000 }) { rig, server, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            server.inject([UInt8](repeating: 9, count: 400_000), port: 0)
            #expect(eventually { !rig.port.look { $0.wantsToReceive(isPausing: true) } })
            var write = kernel.startWrite(file, [UInt8](repeating: 1, count: 100_000))
            // The sockets' buffers fill up at some time.
            while kernel.state.wait(until: .now + .milliseconds(300), { !$0.pending.contains(write) }) {
                _ = try kernel.finishWrite(write)
                write = kernel.startWrite(file, [UInt8](repeating: 1, count: 100_000))
            }
            server.dropClient(port: 0, abortive: true)
            #expect(eventually(seconds: 5) { !kernel.isPending(write) })
            #expect(kernel.poll(file, 0xFFFF) == 0x15D)
        }
    }

    /// A reset in the middle of output: the next connection gets the bytes that no socket took, and
    /// the others are counted.
    @Test(arguments: 0..<4) func noByteIsLostUncountedOrSentTwice(_ round: UInt64) throws {
        let server = try TCPServerPlayer(receiveBuffer: round % 2 == 0 ? 4096 : nil)
        try withServer(server) { rig in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: round)
            let bytes = random.escapeHeavyBytes(100_000)
            let beforeReset = Array(bytes.dropLast(100))
            let writer = try Thread("writer", stackSize: 1 << 20) {
                #expect((try? kernel.writeAll(file, beforeReset)) == beforeReset.count)
            }
            #expect(eventually { server.data.count > 1000 })
            server.setReading(false)
            // Time for the sockets' buffers to fill up.
            usleep(50_000)
            server.drop()
            #expect(eventually { server.dataBeforeReset != nil })
            server.setReading(true)
            writer.join()
            // The second connection gets at least these.
            #expect(eventually { server.connections == 2 })
            try #expect(kernel.writeAll(file, Array(bytes.suffix(100))) == 100)
            #expect(eventually { server.data.suffix(100).elementsEqual(bytes.suffix(100)) })
            let first = server.data.prefix(server.dataBeforeReset ?? 0)
            let rest = server.data.dropFirst(first.count)
            #expect(first.elementsEqual(bytes.prefix(first.count)))
            #expect(rest.elementsEqual(bytes.suffix(rest.count)))
            // The server may have confirmed a part of the bytes that it received.
            let counted = Int(rig.port.look { $0.state.lostBytes }) + rest.count
            #expect(counted >= bytes.count - first.count && counted <= bytes.count)
        }
    }

    /// Opens that are given up at any moment: the last of them leaves no connection behind.
    @Test func opensGivenUpAtAnyMomentLeaveNoConnection() throws {
        try withSimulatedServer { rig, server, _ in
            let kernel = rig.kernel
            let threads = try (0..<2).map { seed in
                try Thread("opener", stackSize: 1 << 20) {
                    var random = SplitMix64(seed: UInt64(seed))
                    for _ in 0..<60 {
                        let open = kernel.startOpen()
                        usleep(UInt32(random.below(3000)))
                        kernel.interrupt(open)
                        if let file = try? kernel.finishOpen(open) { kernel.close(file) }
                    }
                }
            }
            for thread in threads { thread.join() }
            #expect(eventually { rig.port.look { $0.link == .down } })
            #expect(eventually { server.snapshot(of: 0)?.client == nil })
            let file = try kernel.openRaw()
            try #expect(kernel.write(file, [1]) == 1)
            try #expect(kernel.readAll(file, 1) == [1])
        }
    }

    /// A server that takes the connection and ends it at once.
    @Test func aServerThatClosesLeadsToTheNextOne() throws {
        let closing = try TCPServerPlayer(.closes)
        let server = try TCPServerPlayer()
        defer { server.stop() }
        try withServer(closing, others: [server.port]) { rig in
            let file = try rig.kernel.openRaw()
            try #expect(rig.kernel.write(file, [1, 2, 3]) == 3)
            #expect(eventually { server.data == [1, 2, 3] })
            #expect(closing.connections == 1)
        }
    }

    @Test func ifAllServersCloseTheOpenFails() throws {
        let first = try TCPServerPlayer(.closes)
        let second = try TCPServerPlayer(.closes)
        defer { second.stop() }
        try withServer(first, others: [second.port]) { rig in
            #expect(throws: Errno.connectionReset) { _ = try rig.kernel.open() }
            #expect(first.connections == 1 && second.connections == 1)
        }
    }

    /// A server with Nagle's algorithm sends the second half of an answer only after the first is acknowledged, which
    /// the kernel would put off for 40 ms.
    @Test func answersAreAcknowledgedAtOnce() throws {
        let server = try TCPServerPlayer(.halvesAnswers)
        try withServer(server) { rig in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var times: [UInt64] = []
            for round in 0..<40 {
                var termios = Termios()
                let code = BaudCode.code(of: round % 2 == 0 ? 115_200 : 230_400)
                termios.cflag = termios.cflag.subtracting(.CBAUD).union(ControlFlags(rawValue: code))
                var memory = UserMemory(termios.bytes)
                let start = MonotonicTime.now
                let error = kernel.ioctl(file, Ioctl.TCSETS.rawValue, UserMemory.base, &memory).error
                #expect(error == nil)
                times.append(MonotonicTime.now.since(start) / .milliseconds(1))
            }
            // On a busy machine some rounds take long; without the acknowledgement all later ones do.
            let later = times.dropFirst(20).sorted()
            #expect(later[later.startIndex + 5] < 25, "milliseconds: \(times)")
        }
    }
}
