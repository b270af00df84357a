import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// The pseudo-terminal and the bytes in transit. Only the thread uses it.
private final class Relay {
    let terminal: PseudoTerminal
    /// The slave is closed, and the rest of its output is read from the master; no further orders are accepted.
    var isEnding = false
    /// The master is at its end.
    var isAtEnd = false
    /// Bytes received for the discipline, which has taken `given` of them.
    var received: [UInt8] = []
    var given = 0
    /// Bytes transmitted by the discipline; the port has taken `sent` of them.
    var transmitted: [UInt8] = []
    var sent = 0

    init() throws(Errno) { terminal = try PseudoTerminal() }

    var isGiving: Bool { given < received.count }
    var isSending: Bool { sent < transmitted.count }

    /// Drops the bytes that TCFLSH selects.
    func flush(_ which: UInt64) {
        if which != 1 { given = received.count }
        if which != 0 { sent = transmitted.count }
    }
}

extension DisciplineHost {
    /// Bytes taken from the discipline at once.
    private static let bufferSize = 16384
    /// Interval at which a full pseudo-terminal is retried, because some disciplines do not report that they have
    /// taken bytes.
    private static let retry: UInt64 = .milliseconds(5)

    /// The thread's main function: runs until its work is done, or until the process ends.
    func run() {
        keepPrivilege()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        let scratch = Port.Scratch()
        var relay: Relay?
        while true {
            while let order = nextOrder(relay) { carryOut(order, &relay, scratch) }
            if mayEnd(relay) { return }
            if let relay {
                feed(relay, scratch)
                drain(relay, buffer, scratch)
            }
            if let current = relay, current.isEnding, current.isAtEnd, !current.isSending {
                relay = nil
                port.withTTY(scratch) { $0.disciplineWithdrawn() }
            } else {
                sleep(relay)
            }
        }
    }

    // Orders.

    /// Returns the next order. While a pseudo-terminal is emptied, only an order to close it is accepted.
    private func nextOrder(_ relay: Relay?) -> Order? {
        state.withLock { state in
            let isEmptying = relay?.isEnding ?? false
            if isEmptying { return state.orders.contains(where: \.isDiscard) ? .withdraw(discardingRest: true) : nil }
            return state.orders.isEmpty ? nil : state.orders.removeFirst()
        }
    }

    private func mayEnd(_ relay: Relay?) -> Bool {
        state.withLock { state in
            guard state.orders.isEmpty, state.isStopped || (relay == nil && state.privilege != .kept) else {
                return false
            }
            state.isRunning = false
            return true
        }
    }

    private func carryOut(_ order: Order, _ relay: inout Relay?, _ scratch: Port.Scratch) {
        switch order {
        case .call(let id, let call):
            let answer = carryOut(call, &relay)
            port.withTTY(scratch) { $0.disciplineAnswered(id, answer) }
        case .withdraw(let discardingRest):
            if let relay, !discardingRest {
                relay.terminal.closeSlave()
                relay.isEnding = true
            } else {
                relay = nil
                port.withTTY(scratch) { $0.disciplineWithdrawn() }
            }
        case .settlePrivileges: settle()
        }
    }

    private func carryOut(_ call: DisciplineCall, _ relay: inout Relay?) -> DisciplineAnswer {
        if case .set(let number, let asNetworkAdministrator) = call {
            return set(number, &relay, asNetworkAdministrator)
        }
        guard let relay else { return .failed(.ioError, reason: nil) }
        do {
            switch call {
            case .set: return .bytes([])
            case .ioctl(let command, let value, let input, let outSize, let asNetworkAdministrator):
                let bytes = try withPrivilege(asNetworkAdministrator) { () throws(Errno) in
                    try relay.terminal.ioctl(command, value: value, in: input, outSize: outSize)
                }
                if command == Ioctl.TCFLSH.rawValue { relay.flush(value) }
                return .bytes(bytes)
            case .read(let count): return .bytes(try relay.terminal.read(count))
            case .write(let bytes): return .written(try relay.terminal.write(bytes))
            }
        } catch {
            return .failed(error, reason: nil)
        }
    }

    private func set(_ number: Int32, _ relay: inout Relay?, _ asNetworkAdministrator: Bool) -> DisciplineAnswer {
        let host: Relay
        do {
            host = if let relay { relay } else { try Relay() }
        } catch {
            return .failed(error, reason: "cannot open a pseudo-terminal (/dev/ptmx): \(error)")
        }
        do {
            try withPrivilege(asNetworkAdministrator) { () throws(Errno) in try host.terminal.setDiscipline(number) }
        } catch {
            return .failed(error, reason: nil)
        }
        relay = host
        return .bytes([])
    }

    // Bytes.

    /// Passes received bytes to the discipline.
    private func feed(_ relay: Relay, _ scratch: Port.Scratch) {
        while !relay.isEnding {
            if !relay.isGiving {
                relay.received.removeAll(keepingCapacity: relay.received.capacity <= 4 * Self.bufferSize)
                relay.given = 0
                if !port.withTTY(scratch, { $0.takeReceived(into: &relay.received) }) { return }
            }
            let taken = relay.received.withUnsafeBytes { relay.terminal.give(.init(rebasing: $0[relay.given...])) }
            relay.given += taken
            if taken == 0 { return }
        }
    }

    /// Passes the discipline's output to the port.
    private func drain(_ relay: Relay, _ buffer: UnsafeMutableRawBufferPointer, _ scratch: Port.Scratch) {
        // The limit lets a discipline that transmits without pause still receive.
        for _ in 0..<8 {
            if !relay.isSending && !takeTransmitted(relay, buffer) { return }
            let (bytes, sent) = (relay.transmitted, relay.sent)
            relay.sent += port.withTTY(scratch) {
                $0.transmitFromDiscipline(bytes.span.extracting(droppingFirst: sent))
            }
            if relay.isSending { return }
        }
    }

    /// - Returns: whether there were any bytes.
    private func takeTransmitted(_ relay: Relay, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        relay.sent = 0
        relay.transmitted.removeAll(keepingCapacity: true)
        if relay.isAtEnd { return false }
        do {
            guard let count = try relay.terminal.takeTransmitted(into: buffer) else {
                relay.isAtEnd = true
                return false
            }
            relay.transmitted.append(contentsOf: buffer.prefix(count))
            return true
        } catch {
            return false
        }
    }

    /// Waits for an order, for bytes, or for room.
    private func sleep(_ relay: Relay?) {
        var descriptors = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let relay, !relay.isAtEnd, !relay.isSending || relay.isGiving {
            let events = (relay.isSending ? 0 : POLLIN) | (relay.isGiving && !relay.isEnding ? POLLOUT : 0)
            // A closed slave keeps its poll event raised: do not poll it while its remaining output finds no room.
            if !(relay.isEnding && relay.isSending) {
                descriptors.append(pollfd(fd: relay.terminal.masterRaw, events: Int16(events), revents: 0))
            }
        }
        let isGiving = relay.map { $0.isGiving && !$0.isEnding } ?? false
        // Only memory can run out here; then the loop checks again.
        _ = try? waitForEvents(&descriptors, nanoseconds: isGiving ? Self.retry : nil)
        if descriptors[0].revents != 0 { wake.clear() }
    }

    // Privileges of this thread.

    private func keepPrivilege() {
        guard state.withLock({ $0.privilege }) == .wanted else { return }
        var outcome = Privilege.kept
        let isRoot = geteuid() == 0
        // All threads of a process change their user together, so this thread needs the capabilities for that, too.
        let change: Capabilities = isRoot ? [.setUser, .setGroup] : []
        do {
            if isRoot { try Capabilities.keep() }
            try Capabilities.set(permitted: change.union(.networkAdministration), effective: change)
        } catch {
            outcome = .failed("capset: \(error)")
        }
        state.withLock {
            $0.privilege = outcome
            $0.isSettled = !isRoot
        }
        state.wakeAll()
    }

    private func settle() {
        var outcome = Privilege.kept
        do {
            try Capabilities.set(permitted: .networkAdministration, effective: [])
        } catch {
            outcome = .failed("capset: \(error)")
        }
        state.withLock {
            $0.privilege = outcome
            $0.isSettled = true
        }
        state.wakeAll()
    }

    /// Runs the body with CAP_NET_ADMIN in effect, if the caller has it and this thread has kept it.
    private func withPrivilege<Result>(
        _ asNetworkAdministrator: Bool, _ body: () throws(Errno) -> Result
    ) throws(Errno) -> Result {
        guard asNetworkAdministrator, state.withLock({ $0.privilege }) == .kept else { return try body() }
        try Capabilities.set(permitted: .networkAdministration, effective: .networkAdministration)
        defer { try? Capabilities.set(permitted: .networkAdministration, effective: []) }
        return try body()
    }
}

extension DisciplineHost.Order {
    var isDiscard: Bool { if case .withdraw(discardingRest: true) = self { true } else { false } }
}
