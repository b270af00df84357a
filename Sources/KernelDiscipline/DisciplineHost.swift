import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

/// Lends one port's line to the kernel's own line disciplines: a hidden pseudo-terminal, and a thread that does on its
/// slave what programs ask of the discipline, and moves bytes between its master and the port.
///
/// The thread is there while there is something to do; for good, where it keeps CAP_NET_ADMIN. Of the process's threads
/// it alone has that capability, and takes it up only for a call of a program that has it, too: so the kernel's own
/// checks hold.
///
/// Concurrency model: `state` is behind its own lock, under which nothing else is called; the pseudo-terminal is the
/// thread's alone.
package final class DisciplineHost: DisciplineSide {
    enum Order {
        case call(RequestID, DisciplineCall)
        case withdraw(discardingRest: Bool)
        /// The process is no longer root: what the thread needed to stop being root goes, too.
        case settlePrivileges
    }

    struct State {
        var orders: [Order] = []
        var isRunning = false
        var isStopped = false
        /// The thread that runs, or the last one: to be joined.
        var thread: Thread?
        var privilege = Privilege.none
        var isSettled = false
    }

    enum Privilege: Equatable {
        case none
        /// The thread has been asked to keep CAP_NET_ADMIN, and has not said yet whether it could.
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

    // What the port asks for.

    package func call(_ id: RequestID, _ call: DisciplineCall) {
        guard order(.call(id, call)) else {
            return port.withTTY { $0.disciplineAnswered(id, .failed(.noMemory, reason: "no thread for it")) }
        }
    }

    package func feed() { wake.signal() }

    package func withdraw(discardingRest: Bool) {
        guard order(.withdraw(discardingRest: discardingRest)) else {
            return port.withTTY { $0.disciplineWithdrawn() }
        }
    }

    /// Adds an order, and starts the thread where there is none.
    private func order(_ order: Order) -> Bool {
        let isTaken = state.withLock { state -> Bool in
            state.orders.append(order)
            if state.isRunning { return true }
            // It has ended, or is about to, without a look back.
            state.thread?.join()
            state.thread = try? Thread("discipline") { self.run() }
            state.isRunning = state.thread != nil
            if !state.isRunning { state.orders.removeAll() }
            return state.isRunning
        }
        if isTaken { wake.signal() }
        return isTaken
    }

    /// Lets the thread end, and waits for it. To be called once the port has been shut down.
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

    /// Starts the thread for good and has it keep CAP_NET_ADMIN; where this process is not root, the calling thread, and
    /// with it those it starts from here on, gives up all it has.
    /// - Throws: why that cannot be.
    package func keepNetworkAdministration() throws(PrivilegeError) {
        guard Capabilities.permitted.contains(.networkAdministration) else { throw PrivilegeError("it has not got it") }
        state.withLock { $0.privilege = .wanted }
        guard order(.withdraw(discardingRest: true)) else { throw PrivilegeError("no thread for it") }
        state.wait { $0.privilege != .wanted }
        if case .failed(let reason) = state.withLock({ $0.privilege }) { throw PrivilegeError(reason) }
        guard geteuid() != 0 else { return }
        do {
            try Capabilities.set(permitted: [], effective: [])
        } catch {
            throw PrivilegeError("capset: \(error)")
        }
    }

    /// This process has become an unprivileged user: the thread keeps CAP_NET_ADMIN and nothing else.
    package func settlePrivileges() throws(PrivilegeError) {
        guard state.withLock({ $0.privilege }) == .kept, order(.settlePrivileges) else { return }
        state.wait { $0.isSettled }
        if case .failed(let reason) = state.withLock({ $0.privilege }) { throw PrivilegeError(reason) }
    }
}

/// Why CAP_NET_ADMIN cannot be kept, in words.
package struct PrivilegeError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
