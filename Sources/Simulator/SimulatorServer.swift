import Platform
import RFC2217
import SerialLine
import SystemPackage

/// Virtual COM ports on TCP ports of their own, as on a server of RFC 2217.
///
/// Concurrency model: any thread may call any method, but the configuration's observer must not call one that waits.
package final class SimulatorServer: Sendable {
    private struct Running {
        var groups: [PortGroup] = []
        var threads: [Thread] = []
    }

    package let configuration: SimulatorConfiguration
    private let running = Monitor(Running())

    package init(_ configuration: SimulatorConfiguration) { self.configuration = configuration }

    deinit { stop() }

    /// Binds all ports and serves them.
    /// - Returns: each port's TCP port.
    package func start() throws(SimulatorError) -> [UInt16] {
        try configuration.check()
        let ports = try makePorts()
        var running = Running()
        for members in Self.grouped(ports) {
            do {
                let group = try PortGroup(members)
                running.threads.append(try group.start())
                running.groups.append(group)
            } catch {
                Self.end(running)
                throw .system("cannot start a thread", error)
            }
        }
        self.running.withLock { $0 = running }
        return ports.map(\.tcpPort)
    }

    /// Closes everything and waits until all threads have ended. Has no effect if nothing runs.
    package func stop() {
        let ended = running.withLock { running in
            defer { running = Running() }
            return running
        }
        Self.end(ended)
    }

    private static func end(_ running: Running) {
        for group in running.groups { group.stop() }
        for thread in running.threads { thread.join() }
    }

    private func makePorts() throws(SimulatorError) -> [VirtualPort] {
        var ports: [VirtualPort] = []
        for index in 0..<configuration.ports {
            let number = configuration.firstPort == 0 ? 0 : configuration.firstPort + UInt16(index)
            let listener = try listen(Endpoint(host: configuration.address, port: number))
            ports.append(try VirtualPort(index, configuration, listener))
        }
        for port in ports {
            switch port.wiring {
            case .loopback: port.peer = port
            case .nullModem: port.peer = ports[port.index ^ 1]
            case .command, .tty: break
            }
        }
        return ports
    }

    private func listen(_ endpoint: Endpoint) throws(SimulatorError) -> Listener {
        do {
            guard let address = try endpoint.resolve(passive: true).first else {
                throw SimulatorError.badAddress("'\(endpoint.host)' has no address to listen on")
            }
            return try Listener(address, receiveBuffer: configuration.socketBuffer)
        } catch let error as Errno {
            throw .cannotListen("\(endpoint)", error)
        } catch let error as SimulatorError {
            throw error
        } catch {
            throw .badAddress("\(error)")
        }
    }

    /// Ports that share a line share a thread.
    private static func grouped(_ ports: [VirtualPort]) -> [[VirtualPort]] {
        ports.compactMap { port in
            guard let peer = port.peer, peer !== port else { return [port] }
            return port.index < peer.index ? [port, peer] : nil
        }
    }

    /// Makes a port's thread run a task.
    @discardableResult
    func send(to port: Int, _ body: @escaping @Sendable (VirtualPort) -> Void) -> Bool {
        let group = running.withLock { running in
            running.groups.first { group in group.ports.contains { $0.index == port } }
        }
        guard let group else { return false }
        return group.send { group in
            for member in group.ports where member.index == port { body(member) }
        }
    }
}

extension VirtualPort {
    /// The TCP port that was bound.
    var tcpPort: UInt16 {
        let text = address.description
        return text.lastIndex(of: ":").flatMap { UInt16(text[text.index(after: $0)...]) } ?? 0
    }
}
