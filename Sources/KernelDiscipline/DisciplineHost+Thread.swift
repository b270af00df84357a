import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// The pseudo-terminal, and the bytes on their way through the thread, which is the only one that knows it.
private final class Relay {
    let terminal: PseudoTerminal
    /// The slave is closed, and what is left comes from the master; nothing more is asked of it.
    var isEnding = false
    /// The master says no more.
    var isAtEnd = false
    /// Received, for the discipline, which has taken `given` of it.
    var received: [UInt8] = []
    var given = 0
    /// Transmitted by the discipline; the port has taken `sent` of it.
    var transmitted: [UInt8] = []
    var sent = 0

    init() throws(Errno) { terminal = try PseudoTerminal() }

    var isGiving: Bool { given < received.count }
    var isSending: Bool { sent < transmitted.count }

    /// Drops what TCFLSH drops.
    func flush(_ which: UInt64) {
        if which != 1 { given = received.count }
        if which != 0 { sent = transmitted.count }
    }
}

extension DisciplineHost {
    /// Bytes taken from the discipline at once.
    private static let bufferSize = 16384
    /// A full pseudo-terminal is tried again so often: not every discipline tells when it has taken something.
    private static let retry: UInt64 = .milliseconds(5)

    /// The thread: to the end of what there is to do, or of the process.
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

    /// The next order in line. While a pseudo-terminal empties only one to be done with it is heard.
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
            return .failed(error, reason: "cannot make a pseudo-terminal (/dev/ptmx): \(error)")
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

    /// Hands received bytes to the discipline.
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

    /// Hands what the discipline transmits to the port.
    private func drain(_ relay: Relay, _ buffer: UnsafeMutableRawBufferPointer, _ scratch: Port.Scratch) {
        // A flood of its own making is not to keep it from receiving.
        for _ in 0..<8 {
            if !relay.isSending && !takeTransmitted(relay, buffer) { return }
            let (bytes, sent) = (relay.transmitted, relay.sent)
            relay.sent += port.withTTY(scratch) {
                $0.transmitFromDiscipline(bytes.span.extracting(droppingFirst: sent))
            }
            if relay.isSending { return }
        }
    }

    /// - Returns: is there anything?
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

    /// Sleeps until there is an order, or one of the ways has bytes or room.
    private func sleep(_ relay: Relay?) {
        var descriptors = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let relay, !relay.isAtEnd, !relay.isSending || relay.isGiving {
            let events = (relay.isSending ? 0 : POLLIN) | (relay.isGiving && !relay.isEnding ? POLLOUT : 0)
            // Closed slaves are an event at any time: not to be heard while their last words find no room.
            if !(relay.isEnding && relay.isSending) {
                descriptors.append(pollfd(fd: relay.terminal.masterRaw, events: Int16(events), revents: 0))
            }
        }
        let isGiving = relay.map { $0.isGiving && !$0.isEnding } ?? false
        // Nothing can fail here but memory; then looking again is as good as anything.
        _ = try? waitForEvents(&descriptors, nanoseconds: isGiving ? Self.retry : nil)
        if descriptors[0].revents != 0 { wake.clear() }
    }

    // Privileges, which are this thread's own.

    private func keepPrivilege() {
        guard state.withLock({ $0.privilege }) == .wanted else { return }
        var outcome = Privilege.kept
        let isRoot = geteuid() == 0
        // All threads become another user together: this one, too, has to be able to.
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

    /// Does it with CAP_NET_ADMIN in force, where the caller has that and this thread has kept it.
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
