import CUSEDevice
import Platform
import PortRuntime
import RemotePort
import SerialLine
import Simulator
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// A device with its port between a played kernel and a remote side, all threads running.
struct DeviceRig {
    let kernel: KernelStub
    let device: CUSEDevice
    let port: Port
    /// What the device said to CUSE_INIT.
    let greeting: FuseReply
}

private struct Failure: Error {}

/// Replaces both sides of a port after a test, so that the device can be released.
final class Nobody: KernelSide, RemoteSide {
    func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>) {}
    func notifyPoll(_ file: FileID) {}
    func carryOut(_ command: RemoteCommand) {}
    func send(_ bytes: borrowing Span<UInt8>, connection: Int) -> Int { 0 }
    var unacknowledged: Int { 0 }
    var lifeSigns: LifeSigns { .quiet }
    func schedule(_ deadline: MonotonicTime?) {}
}

/// What a test puts in the place of the kernel's line disciplines.
typealias DisciplineMaker = (Port) throws -> (side: any DisciplineSide, stop: () -> Void)?

/// Runs `body` with a device on a remote side, and checks afterwards that every request was answered once.
func withDevice(
    uid: UInt32 = 0, _ configure: (inout PortConfiguration) -> Void = { _ in },
    remote makeRemote: (Port) throws -> (side: any RemoteSide, threads: [Thread], stop: () -> Void),
    discipline makeDiscipline: DisciplineMaker = { _ in nil },
    _ body: (DeviceRig) throws -> Void
) throws {
    var configuration = PortConfiguration()
    configuration.logLevel = .error
    configuration.servers = [Endpoint(host: "127.0.0.1", port: 1)]
    configure(&configuration)
    let port = Port(configuration: configuration) { _, _ in }
    let (kernel, channel) = try KernelStub.make(uid: uid)
    let device = try CUSEDevice(
        name: DeviceName("ttyStub7"), major: 199, minor: 7, channel: Descriptor(owning: channel), port: port)
    let remote = try makeRemote(port)
    let discipline = try makeDiscipline(port)
    port.attach(kernel: device, remote: remote.side, discipline: discipline?.side)
    let isReady = Monitor(false)
    var threads = remote.threads
    threads.append(try Thread("answers", stackSize: 1 << 20) { kernel.receiveAll() })
    let loop = try Thread("CUSE", stackSize: 1 << 20) {
        device.run {
            isReady.withLock { $0 = true }
            isReady.wakeAll()
        }
    }
    let greeting = kernel.initialize()
    let isThere = isReady.wait(until: .now + .seconds(10)) { $0 }
    #expect(isThere, "the device is not ready")
    defer {
        // Nothing is parked any more, or it is answered now; only then the kernel lets go.
        port.withTTY { $0.shutDown() }
        discipline?.stop()
        let isQuiet = kernel.state.wait(until: .now + .seconds(20)) { $0.pending.isEmpty }
        #expect(isQuiet, "requests without an answer")
        kernel.close()
        loop.join()
        remote.stop()
        for thread in threads { thread.join() }
        port.attach(kernel: Nobody(), remote: Nobody())
        #expect(device.receivedCount == device.answeredCount)
        kernel.state.withLock { state in
            #expect(state.answers == state.requests)
            // CUSE_INIT is the library's own.
            #expect(device.answeredCount == state.requests - 1)
        }
    }
    try body(DeviceRig(kernel: kernel, device: device, port: port, greeting: greeting))
}

/// A device whose server is played in memory.
func withFakeRemote(
    uid: UInt32 = 0, echoes: Bool = false, sendsShort: Bool = false,
    _ configure: (inout PortConfiguration) -> Void = { _ in }, discipline: DisciplineMaker = { _ in nil },
    _ body: (DeviceRig, FakeRemote) throws -> Void
) throws {
    var made: FakeRemote?
    try withDevice(uid: uid, configure) { port in
        let remote = FakeRemote(port, echoes: echoes, sendsShort: sendsShort)
        made = remote
        return (remote, [try Thread("remote", stackSize: 1 << 20) { remote.run() }], { remote.stop() })
    } discipline: {
        try discipline($0)
    } _: { rig in
        guard let made else { throw Failure() }
        try body(rig, made)
    }
}

/// A device whose server is the simulator, over loopback TCP.
func withSimulatedServer(
    _ configure: (inout PortConfiguration) -> Void = { _ in },
    simulator: (inout SimulatorConfiguration) -> Void = { _ in },
    _ body: (DeviceRig, SimulatorServer, SimulatorLog) throws -> Void
) throws {
    let log = SimulatorLog()
    var configuration = SimulatorConfiguration()
    configuration.ports = 1
    configuration.observer = log.observer
    simulator(&configuration)
    let server = SimulatorServer(configuration)
    let tcpPorts = try server.start()
    defer { server.stop() }
    try withRemote(tcpPorts[0], configure) { rig in try body(rig, server, log) }
}

/// A device whose server listens on a TCP port of this machine, or does not exist.
func withRemote(
    _ tcpPort: UInt16, _ configure: (inout PortConfiguration) -> Void = { _ in }, deadAfter: Int32 = 15,
    _ body: (DeviceRig) throws -> Void
) throws {
    try withDevice {
        $0.servers = [Endpoint(host: "127.0.0.1", port: tcpPort)]
        configure(&$0)
    } remote: { port in
        let remote = try RemotePort(port: port, deadAfter: deadAfter)
        return (remote, try remote.start(), { remote.stop() })
    } _: { rig in
        try body(rig)
    }
}
