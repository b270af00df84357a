import Platform
import RFC2217
import SerialLine

/// What tests look at and change while the simulator runs.
extension SimulatorServer {
    /// What a port is like at one moment.
    package struct Snapshot: Equatable, Sendable {
        /// Its client's address; nil where there is none.
        package let client: String?
        package let state: ComPortServer.PortState
        /// Bytes in the transmit buffer.
        package let transmitCount: Int
        /// Bytes received from the line, and encoded bytes, that the client has not been given.
        package let receivedCount: Int
        package let outgoingCount: Int
        package let lineStateMask: LineState
        package let modemStateMask: ModemState
    }

    /// Looks at a port; waits for its thread. nil where there is no such port, or it does not run.
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

    /// Bytes come from the port's line. With no client they are lost; there is no back-pressure: the caller's to bound.
    package func inject(_ bytes: [UInt8], port: Int) {
        send(to: port) { $0.receive(bytes.span) }
    }

    /// An error, or a break, comes from the port's line, with the bad byte if there is one.
    package func inject(_ error: LineState, byte: UInt8? = nil, port: Int) {
        send(to: port) { $0.receive(error, byte: byte) }
    }

    /// Takes lines of `mask` from the wiring and sets them to the levels in `lines`.
    package func setLines(_ lines: ModemLines, of mask: ModemLines = .inputs, port: Int) {
        send(to: port) { port in
            port.forcedMask.formUnion(mask)
            port.forcedLines = port.forcedLines.subtracting(mask).union(lines.intersection(mask))
            port.updateInputs(.now)
        }
    }

    /// Gives all lines back to the wiring.
    package func releaseLines(port: Int) {
        send(to: port) { port in
            port.forcedMask = []
            port.forcedLines = []
            port.updateInputs(.now)
        }
    }

    /// Ends the client's connection: in order (FIN), or by a reset.
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

    /// Reads on from every client that is stalled.
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
