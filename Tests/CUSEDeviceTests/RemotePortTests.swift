import Glibc
import Platform
import PortRuntime
import RFC2217
import RemotePort
import SerialLine
import Simulator
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// The whole way: a played kernel, the device, the port, its TCP connection, and the simulator's server.
@Suite struct RemotePortTests {
    @Test func openTalkAndClose() throws {
        try withSimulatedServer { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            #expect(server.snapshot(of: 0)?.state.settings.baud == 4_000_000)
            #expect(server.snapshot(of: 0)?.state.outputs == [.dtr, .rts])
            let all = (0...255).map { UInt8($0) }
            try #expect(kernel.write(file, all) == 256)
            try #expect(kernel.readAll(file, 256) == all)
            // The loopback plug: RTS to CTS, DTR to DSR and DCD.
            #expect(eventually { kernel.number(file, .TIOCMGET) == 0x166 })
            var memory = UserMemory([0x04, 0, 0, 0])
            kernel.ioctl(file, Ioctl.TIOCMBIC.rawValue, UserMemory.base, &memory)
            #expect(eventually { kernel.number(file, .TIOCMGET) == 0x142 })
            kernel.ioctl(file, Ioctl.TCSBRK.rawValue, 1, &memory)
            kernel.close(file)
            #expect(log.wait(port: 0) { $0.contains(.disconnected) })
        }
    }

    @Test func aMegabyteInAllDirections() throws {
        try withSimulatedServer { rig, _, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 2)
            let bytes = random.bytes(1 << 20)
            let writer = try Thread("writer", stackSize: 1 << 20) {
                #expect((try? kernel.writeAll(file, bytes)) == bytes.count)
            }
            try #expect(kernel.readAll(file, bytes.count) == bytes)
            writer.join()
        }
    }

    @Test func nobodyListens() throws {
        // A port that was free a moment ago.
        let server = SimulatorServer(SimulatorConfiguration())
        let tcpPort = try server.start()[0]
        server.stop()
        try withRemote(tcpPort) { rig in
            for _ in 0..<3 { #expect(throws: Errno.connectionRefused) { _ = try rig.kernel.open() } }
        }
    }

    @Test func anOpenGivenUpWhileTheServerIsSilent() throws {
        try withSimulatedServer(simulator: { $0.profile.telnet = .mute }) { rig, _, _ in
            let open = rig.kernel.startOpen()
            usleep(50_000)
            rig.kernel.interrupt(open)
            #expect(throws: Errno.interrupted) { _ = try rig.kernel.finishOpen(open) }
        }
    }

    /// Bytes taken for one connection are never sent on another.
    @Test func bytesForAnotherConnectionStay() throws {
        var configuration = SimulatorConfiguration()
        configuration.ports = 1
        let server = SimulatorServer(configuration)
        let tcpPort = try server.start()[0]
        defer { server.stop() }
        var always = PortConfiguration()
        always.connect = .always
        always.logLevel = .error
        always.servers = [Endpoint(host: "127.0.0.1", port: tcpPort)]
        let port = Port(configuration: always) { _, _ in }
        let remote = try RemotePort(port: port, deadAfter: 15)
        port.attach(kernel: Nobody(), remote: remote)
        let threads = try remote.start()
        port.withTTY { $0.start() }
        for number in 1...3 {
            #expect(eventually { port.look { $0.link == .up && $0.connection == number } })
            for other in [0, number - 1, number + 1] where other != number {
                #expect(remote.send([1, 2, 3].span, connection: other) == 0)
            }
            #expect(remote.send([1, 2, 3].span, connection: number) == 3)
            server.dropClient(port: 0)
        }
        port.withTTY { $0.shutDown() }
        remote.stop()
        for thread in threads { thread.join() }
        port.attach(kernel: Nobody(), remote: Nobody())
    }

    @Test func theConnectionComesBack() throws {
        try withSimulatedServer { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let read = kernel.startRead(file, 10)
            server.dropClient(port: 0)
            #expect(
                log.wait(port: 0) { events in events.count { if case .connected = $0 { true } else { false } } == 2 })
            try #expect(kernel.write(file, [1, 2, 3]) == 3)
            try #expect(kernel.finishRead(read, 10).first == 1)
            #expect(server.snapshot(of: 0)?.state.settings.baud == 4_000_000)
        }
    }

    @Test func theConnectionBreaksInTheMiddle() throws {
        try withSimulatedServer({ $0.lossTimeout = 0 }, simulator: { $0.faults.dropAfter = 50_000 }) { rig, _, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let waits = [
                kernel.startIoctl(file, Ioctl.TIOCMIWAIT.rawValue, 0x80), kernel.startRead(file, 0),
            ]
            _ = kernel.poll(file, 0, schedulesNotify: true)
            let reader = try Thread("reader", stackSize: 1 << 20) {
                // Until the hang-up, which reads as the end.
                while let bytes = try? kernel.read(file, 4096), !bytes.isEmpty {}
            }
            #expect(throws: Errno.ioError) {
                while true { _ = try kernel.write(file, [UInt8](repeating: 1, count: 4096)) }
            }
            reader.join()
            #expect(kernel.wait(waits[0]).error == -EIO)
            #expect(kernel.wait(waits[1]).error == 0)
            #expect(kernel.poll(file, 0xFFFF) == 0x15D)
            #expect(eventually { kernel.notifications(of: file) > 0 })
            kernel.close(file)
            // And all over again, on a connection of its own.
            let again = try kernel.openRaw()
            try #expect(kernel.write(again, [7]) == 1)
            try #expect(kernel.readAll(again, 1) == [7])
        }
    }

    /// A server that takes nothing: writers are held up, wait, and can be interrupted; nothing is lost.
    @Test func theServerStalls() throws {
        try withSimulatedServer(simulator: { $0.faults.stallAfter = 1000 }) { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var random = SplitMix64(seed: 3)
            let chunk = random.bytes(100_000)
            var written: [UInt8] = []
            // The sockets' buffers fill up at some time.
            while written.count < 64 << 20 {
                let write = kernel.startWrite(file, chunk)
                _ = kernel.state.wait(until: .now + .milliseconds(300)) { !$0.pending.contains(write) }
                let isStuck = kernel.isPending(write)
                if isStuck { kernel.interrupt(write) }
                let count = try kernel.finishWrite(write)
                written += chunk[..<count]
                if isStuck { break }
            }
            #expect(kernel.poll(file, 4) == 0)
            #expect(throws: Errno.resourceTemporarilyUnavailable) { _ = try kernel.write(file.nonBlocking, [1]) }
            let isStalled = log.events(of: 0).contains(.stalled(true))
            #expect(isStalled)
            let waiter = try Thread("poller") { #expect(kernel.pollWaiting(file, 4) == 4) }
            server.resumeStalled()
            try #expect(kernel.readAll(file, written.count) == written)
            waiter.join()
        }
    }

    /// The connection breaks while no program reads and receiving has paused: it is made again, and no thread is busy
    /// with the broken socket.
    @Test func theConnectionBreaksWhileNoProgramReads() throws {
        try withSimulatedServer { rig, server, log in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            var sent = 0
            while sent < 1 << 20 {
                server.inject([UInt8](repeating: 9, count: 65536), port: 0)
                sent += 65536
            }
            #expect(eventually { !rig.port.look { $0.wantsToReceive(isPausing: false) } })
            server.dropClient(port: 0, abortive: true)
            #expect(log.wait(port: 0) { $0.contains(.disconnected) })
            try #expect(kernel.write(file, [1, 2, 3]) == 3)
            // Meanwhile no thread spins on the broken socket.
            let before = threadTimes(named: "transmit")
            usleep(500_000)
            for (thread, time) in threadTimes(named: "transmit") {
                #expect(time - before[thread, default: time] < 35, "a transmit thread was busy all the time")
            }
            let isBack = eventually {
                while let bytes = try? kernel.read(file.nonBlocking, 65536), !bytes.isEmpty {}
                return log.events(of: 0).count { if case .connected = $0 { true } else { false } } == 2
            }
            #expect(isBack)
        }
    }

    @Test func theServerGoesAwayForGood() throws {
        try withSimulatedServer({ $0.lossTimeout = .milliseconds(300) }) { rig, server, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let read = kernel.startRead(file, 10)
            server.stop()
            try #expect(kernel.finishRead(read, 10) == [])
            #expect(throws: Errno.connectionRefused) { _ = try kernel.open() }
        }
    }

    /// The program ends while everything waits.
    @Test func theEnd() throws {
        try withSimulatedServer { rig, _, _ in
            let kernel = rig.kernel
            let file = try kernel.openRaw()
            let read = kernel.startRead(file, 10)
            let wait = kernel.startIoctl(file, Ioctl.TIOCMIWAIT.rawValue, 0x80)
            #expect(kernel.number(file, .FIONREAD) == 0)
            rig.port.withTTY { $0.shutDown() }
            try #expect(kernel.finishRead(read, 10) == [])
            #expect(kernel.wait(wait).error == -EIO)
        }
    }

    @Test func opensAndClosesInARow() throws {
        try withSimulatedServer { rig, _, _ in
            for round in 0..<20 {
                let file = try rig.kernel.openRaw()
                try #expect(rig.kernel.write(file, [UInt8(round)]) == 1)
                try #expect(rig.kernel.readAll(file, 1) == [UInt8(round)])
                rig.kernel.close(file)
            }
        }
    }
}
