import Platform
import RFC2217
import SerialLine
import SystemPackage

/// One virtual COM port: a listening socket, at most one client, a UART, and the wiring of its line.
///
/// Concurrency model: created on one thread, then used only by its group's thread.
final class VirtualPort {
    let index: Int
    let configuration: SimulatorConfiguration
    let wiring: Wiring
    let address: SocketAddress
    var listener: Listener?
    var client: ClientConnection?
    var refused: [RefusedClient] = []
    /// The other end of the line: itself (loopback), its neighbour, or nil if there is a device.
    var peer: VirtualPort?
    var device: (any SerialDevice)?

    /// Settings and lines that the client may ask for.
    var state = ComPortServer.PortState()
    /// Bytes from the client that have not left the line.
    var transmit: ByteQueue
    /// Bytes from the line that were not sent to the client.
    var received: ByteQueue
    /// Bytes from a device that the simulator paces, not yet on the line.
    var arriving = ByteQueue(capacity: 4096)
    var arrivalPacer = Pacer()
    /// Number of the transmit buffer's bytes that have left the line, and await delivery.
    var departed = 0
    /// Bytes that have left the line since the port was created.
    var lineCount = 0
    var pacer = Pacer()
    /// Bytes of the client that waited in its socket while the line was busy.
    var backlog = 0
    /// Number of those that were read since the line became idle.
    var prompt = 0
    /// XOFF was received from the line.
    var isStoppedByXOFF = false
    /// When a break by IAC BRK ends.
    var breakEnds: MonotonicTime?
    /// Lines that a test has disconnected from the wiring, and their levels.
    var forcedMask: ModemLines = []
    var forcedLines: ModemLines = []
    /// Lines inverted by `--modem-changes`.
    var toggled: ModemLines = []
    var nextModemChange: MonotonicTime?
    var modemChanges = 0
    /// Received bytes until the next planned error, and number of errors until now.
    var bytesToError: Int
    var plannedErrors = 0
    /// When listening or accepting is tried again.
    var listenAgain: MonotonicTime?

    var listenerPlace: PollSet.Place?
    var clientPlace: PollSet.Place?

    init(_ index: Int, _ configuration: SimulatorConfiguration, _ listener: Listener) throws(SimulatorError) {
        self.index = index
        self.configuration = configuration
        self.listener = listener
        address = listener.address
        wiring = configuration.wiring(of: index)
        // The line itself holds the byte that it is sending.
        transmit = ByteQueue(capacity: configuration.isPaced ? max(configuration.transmitBuffer, 1) : 64 * 1024)
        received = ByteQueue(capacity: configuration.isPaced ? 4096 : 64 * 1024)
        bytesToError = configuration.faults.lineErrors?.interval ?? 0
        if configuration.faults.holdsCTS { forcedMask = .cts }
        nextModemChange = configuration.faults.modemChangeInterval.map { .now + $0 }
        try makeDevice()
    }

    private func makeDevice() throws(SimulatorError) {
        let tell: (SimulatorEvent) -> Void = { [configuration, index] in configuration.observer?(index, $0) }
        switch wiring {
        case .loopback, .nullModem: break
        case .command(let command): device = CommandDevice(command, observe: tell)
        case .tty(let path):
            do {
                device = try TTYDevice(path, pretendsLines: configuration.profile.answersFailures, observe: tell)
            } catch {
                throw .cannotOpen(path, error)
            }
        }
    }

    func observe(_ event: SimulatorEvent) { configuration.observer?(index, event) }

    /// Closes everything.
    func stop() {
        if client != nil { disconnect() }
        listener = nil
        refused.removeAll()
        device?.stop()
        device = nil
        peer = nil
    }

    /// When work is due without an event.
    var deadline: MonotonicTime? {
        var deadline = earlier(client?.server.deadline, client?.stalledUntil)
        deadline = earlier(deadline, client?.nextSend)
        deadline = earlier(deadline, refused.first?.deadline)
        deadline = earlier(deadline, nextModemChange)
        deadline = earlier(deadline, breakEnds)
        deadline = earlier(deadline, device?.deadline)
        deadline = earlier(deadline, listenAgain)
        if receiveRoom > 0 {
            deadline = earlier(deadline, arrivalPacer.deadline(waiting: arriving.count, frame: lineFrame))
        }
        if departed < transmit.count {
            let waiting = transmit.count - departed + backlog
            deadline = earlier(deadline, pacer.deadline(waiting: waiting, frame: lineFrame))
        }
        return deadline
    }

    /// Carries out due work.
    func expire(now: MonotonicTime) {
        if let client {
            client.server.expire(now: now, &client.outgoing.storage)
            if let until = client.stalledUntil, until <= now { resumeStalled() }
        }
        if let due = nextModemChange, due <= now { changeModemLine(now) }
        if let ends = breakEnds, ends <= now { setBreak(false) }
        device?.tick(now: now, port: self)
    }
}
