import Platform
import RFC2217
import SerialLine

/// Access for tests while the simulator runs.
extension SimulatorServer {
    /// The state of a port at one moment.
    package struct Snapshot: Equatable, Sendable {
        /// Its client's address; nil if there is no client.
        package let client: String?
        package let state: ComPortServer.PortState
        /// Bytes in the transmit buffer.
        package let transmitCount: Int
        /// Bytes received from the line, and encoded bytes, that were not sent to the client yet.
        package let receivedCount: Int
        package let outgoingCount: Int
        package let lineStateMask: LineState
        package let modemStateMask: ModemState
    }

    /// Takes a snapshot of a port, in its thread. nil if there is no such port, or it does not run.
    package func snapshot(of port: Int) -> Snapshot? {
        let answer = Monitor<Snapshot?>(nil)
        let isSent = send(to: port) { port in
            let snapshot = port.snapshot
            answer.withLock { $0 = snapshot }
            answer.wakeAll()
        }
        guard isSent else { return nil }
        answer.wait(until: .now + .seconds(10)) { $0 != nil }
        return answer.withLock { $0 }
    }

    /// Injects bytes as if they came from the port's line. Without a client they are lost; there is no flow control,
    /// so the caller must limit them.
    package func inject(_ bytes: [UInt8], port: Int) {
        send(to: port) { $0.receive(bytes.span) }
    }

    /// Injects an error, or a break, of the port's line, with the bad byte if there is one.
    package func inject(_ error: LineState, byte: UInt8? = nil, port: Int) {
        send(to: port) { $0.receive(error, byte: byte) }
    }

    /// Disconnects the lines of `mask` from the wiring, and sets them to the levels in `lines`.
    package func setLines(_ lines: ModemLines, of mask: ModemLines = .inputs, port: Int) {
        send(to: port) { port in
            port.forcedMask.formUnion(mask)
            port.forcedLines = port.forcedLines.subtracting(mask).union(lines.intersection(mask))
            port.updateInputs(.now)
        }
    }

    /// Connects all lines to the wiring again.
    package func releaseLines(port: Int) {
        send(to: port) { port in
            port.forcedMask = []
            port.forcedLines = []
            port.updateInputs(.now)
        }
    }

    /// Ends the client's connection: normally (FIN), or by a reset.
    package func dropClient(port: Int, abortive: Bool = false) {
        send(to: port) { if $0.client != nil { $0.disconnect(abortive: abortive) } }
    }

    /// Stops reading from the client, until `resumeStalled`.
    package func stall(port: Int) {
        send(to: port) { port in
            port.client?.stalledUntil = MonotonicTime(nanoseconds: .max)
            port.observe(.stalled(true))
        }
    }

    /// Resumes reading from all stalled clients.
    package func resumeStalled() {
        for port in 0..<configuration.ports { send(to: port) { $0.resumeStalled() } }
    }
}

extension VirtualPort {
    fileprivate var snapshot: SimulatorServer.Snapshot {
        SimulatorServer.Snapshot(
            client: client?.address, state: state, transmitCount: transmit.count, receivedCount: received.count,
            outgoingCount: client?.outgoing.count ?? 0,
            lineStateMask: client?.server.lineStateMask ?? [], modemStateMask: client?.server.modemStateMask ?? [])
    }
}
