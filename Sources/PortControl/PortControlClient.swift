import Glibc
import Platform
import SerialLine
import SystemPackage

/// Why a port could not be asked, in one line.
package enum PortControlError: Error, Equatable, CustomStringConvertible {
    /// No such port runs.
    case noSuchPort(DeviceName)
    case notPermitted(DeviceName)
    /// It did not answer in time, or not as a port does.
    case noAnswer(DeviceName, String)
    /// It answered that it will not.
    case refused(DeviceName, String)

    package var description: String {
        switch self {
        case .noSuchPort(let name): "no port '\(name)' is running"
        case .notPermitted(let name): "not permitted to ask port '\(name)'"
        case .noAnswer(let name, let why): "port '\(name)' does not answer: \(why)"
        case .refused(let name, let why): "port '\(name)' refuses: \(why)"
        }
    }
}

/// Asks one port. Each request is a connection of its own.
package struct PortControlClient: Sendable {
    package let name: DeviceName
    private let base: String
    private let timeout: UInt64

    /// - Parameter timeout: for one request, in nanoseconds.
    package init(_ name: DeviceName, in base: String = PortControl.base, timeout: UInt64 = .seconds(1)) {
        self.name = name
        self.base = base
        self.timeout = timeout
    }

    package func status() throws(PortControlError) -> PortStatus {
        let reply = try ask(.status)
        do {
            return try PortStatus(parsing: reply)
        } catch {
            if Self.line(reply).hasPrefix("error ") { try check(reply) }
            throw .noAnswer(name, "its status cannot be read")
        }
    }

    /// From now on these servers, in this order; a connection that stands is kept.
    package func setServers(_ servers: [Endpoint]) throws(PortControlError) { try check(ask(.servers(servers))) }

    /// The port ends when no program has it open.
    package func retire() throws(PortControlError) { try check(ask(.retire)) }

    /// Takes `retire` back.
    package func keep() throws(PortControlError) { try check(ask(.keep)) }

    /// The process that serves the port, as the kernel knows it.
    package func pid() throws(PortControlError) -> Int32 {
        let socket = try connect()
        do {
            return try PeerCredentials(of: socket.raw).pid
        } catch {
            throw .noAnswer(name, "\(error)")
        }
    }

    private static func line(_ reply: [UInt8]) -> String {
        String(decoding: reply.prefix { $0 != UInt8(ascii: "\n") }.prefix(300), as: UTF8.self).singleLine
    }

    private func check(_ reply: [UInt8]) throws(PortControlError) {
        let line = Self.line(reply)
        if line == "ok" { return }
        guard line.hasPrefix("error ") else { throw .noAnswer(name, line.isEmpty ? "it says nothing" : line) }
        let why = String(line.dropFirst(6))
        if why == PortControl.notPermitted { throw .notPermitted(name) }
        throw .refused(name, why)
    }

    private func connect() throws(PortControlError) -> Descriptor {
        guard let address = UnixAddress(PortControl.socketPath(of: name, in: base)) else { throw .noSuchPort(name) }
        do {
            let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, flags, 0) })
            try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
            return socket
        } catch .noSuchFileOrDirectory, .connectionRefused, .notDirectory {
            throw .noSuchPort(name)
        } catch .permissionDenied, .notPermitted {
            throw .notPermitted(name)
        } catch {
            throw .noAnswer(name, "\(error)")
        }
    }

    private func ask(_ request: ControlRequest) throws(PortControlError) -> [UInt8] {
        var line = request.line + "\n"
        guard line.utf8.count <= PortControl.longestRequest else {
            throw .refused(name, "the request is too long")
        }
        let socket = try connect()
        // A port that has refused already is still to be heard: what fails here is no matter.
        _ = line.withUTF8 { send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        let deadline = MonotonicTime.now + timeout
        var reply: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        do {
            while reply.count <= PortControl.longestReply {
                var polls = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
                guard try waitForEvents(&polls, nanoseconds: deadline.nanosecondsFromNow) > 0 else {
                    throw Errno.timedOut
                }
                let count = try chunk.withUnsafeMutableBytes { try socket.read(into: $0) }
                if count == 0 { return reply }
                reply += chunk[..<count]
            }
        } catch .timedOut {
            throw .noAnswer(name, "nothing within \(timeout / .milliseconds(1)) ms")
        } catch .connectionReset where !reply.isEmpty {
            return reply
        } catch {
            throw .noAnswer(name, "\(error)")
        }
        throw .noAnswer(name, "its reply has no end")
    }
}
