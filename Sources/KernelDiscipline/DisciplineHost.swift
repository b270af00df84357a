import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// Lends one port's line to the kernel's own line disciplines through a hidden pseudo-terminal. A thread carries out
/// the programs' requests on the slave, and moves bytes between the master and the port. The thread runs while there
/// is work, or permanently if it keeps CAP_NET_ADMIN. It is the only thread of the process with that capability, and
/// uses it only for calls of programs that have it as well, so the kernel's own checks apply.
///
/// Concurrency model: `state` has its own lock, under which no other code is called; only the thread uses the
/// pseudo-terminal.
package final class DisciplineHost: DisciplineSide {
    enum Order {
        case call(RequestID, DisciplineCall)
        case withdraw(discardingRest: Bool)
        /// The process is no longer root: the thread drops the capabilities that it needed for that change.
        case settlePrivileges
    }

    struct State {
        var orders: [Order] = []
        var isRunning = false
        var isStopped = false
        /// The current or last thread, to join.
        var thread: Thread?
        var privilege = Privilege.none
        var isSettled = false
    }

    enum Privilege: Equatable {
        case none
        /// The thread was asked to keep CAP_NET_ADMIN, and has not answered yet.
        case wanted
        case kept
        case failed(String)
    }

    let port: Port
    let state = Monitor(State())
    let wake: EventDescriptor

    package init(port: Port) throws(Errno) {
        self.port = port
        wake = try EventDescriptor()
    }

    // Orders of the port.

    package func call(_ id: RequestID, _ call: DisciplineCall) {
        guard order(.call(id, call)) else {
            return port.withTTY { $0.disciplineAnswered(id, .failed(.noMemory, reason: "cannot start a thread")) }
        }
    }

    package func feed() { wake.signal() }

    package func withdraw(discardingRest: Bool) {
        guard order(.withdraw(discardingRest: discardingRest)) else {
            return port.withTTY { $0.disciplineWithdrawn() }
        }
    }

    /// Adds an order, and starts the thread if it does not run.
    private func order(_ order: Order) -> Bool {
        let isTaken = state.withLock { state -> Bool in
            state.orders.append(order)
            if state.isRunning { return true }
            // The thread has ended, or is about to end without taking further orders.
            state.thread?.join()
            state.thread = try? Thread("discipline") { self.run() }
            state.isRunning = state.thread != nil
            if !state.isRunning { state.orders.removeAll() }
            return state.isRunning
        }
        if isTaken { wake.signal() }
        return isTaken
    }

    /// Ends the thread, and waits for that. Called after the port was shut down.
    package func stop() {
        let thread = state.withLock { state in
            defer { state.thread = nil }
            state.isStopped = true
            return state.thread
        }
        wake.signal()
        thread?.join()
    }

    // Privileges.

    /// Starts the permanent thread and makes it keep CAP_NET_ADMIN. If this process is not root, the calling thread,
    /// and the threads that it starts from now on, give up all capabilities.
    /// - Throws: the reason why that is impossible.
    package func keepNetworkAdministration() throws(PrivilegeError) {
        guard Capabilities.permitted.contains(.networkAdministration) else {
            throw PrivilegeError("this process does not have it")
        }
        state.withLock { $0.privilege = .wanted }
        guard order(.withdraw(discardingRest: true)) else { throw PrivilegeError("cannot start a thread") }
        state.wait { $0.privilege != .wanted }
        if case .failed(let reason) = state.withLock({ $0.privilege }) { throw PrivilegeError(reason) }
        guard geteuid() != 0 else { return }
        do {
            try Capabilities.set(permitted: [], effective: [])
        } catch {
            throw PrivilegeError("capset: \(error)")
        }
    }

    /// This process has become an unprivileged user: the thread keeps only CAP_NET_ADMIN.
    package func settlePrivileges() throws(PrivilegeError) {
        guard state.withLock({ $0.privilege }) == .kept, order(.settlePrivileges) else { return }
        state.wait { $0.isSettled }
        if case .failed(let reason) = state.withLock({ $0.privilege }) { throw PrivilegeError(reason) }
    }
}

/// The reason why CAP_NET_ADMIN cannot be kept.
package struct PrivilegeError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
