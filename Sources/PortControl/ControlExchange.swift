import Glibc
import Platform
import SerialLine
import SystemPackage

/// One request to one port, for a poll loop: it is sent when the object is created, and the reply is read piece by
/// piece. It has a result by its deadline, even if the port does not answer.
///
/// Concurrency model: the thread that created it.
package final class ControlExchange {
    package let name: DeviceName
    package let request: ControlRequest
    /// When the request is given up.
    package let deadline: MonotonicTime
    /// The complete reply, or an error; nil while the port may still answer.
    package private(set) var result: Result<[UInt8], PortControlError>?
    /// To be polled for POLLIN; −1, which poll(2) ignores, if no connection was made.
    package let raw: Int32
    private let socket: Descriptor?
    private let timeout: UInt64
    private var reply: [UInt8] = []

    /// Connects and sends. Never blocks: the queue of a stopped port fills up, and that counts as no answer.
    /// - Parameter timeout: for the whole exchange, in nanoseconds.
    /// - Throws: if this process lacks a descriptor or memory for it. That says nothing about the port.
    package init(
        _ name: DeviceName, _ request: ControlRequest, in base: String = PortControl.base,
        timeout: UInt64 = .seconds(1), _ now: MonotonicTime = .now
    ) throws(Errno) {
        self.name = name
        self.request = request
        self.timeout = timeout
        deadline = now + timeout
        var line = request.line + "\n"
        guard line.utf8.count <= PortControl.longestRequest else {
            socket = nil
            raw = -1
            result = .failure(.refused(name, "the request is too long"))
            return
        }
        do {
            let connected = try Self.connect(name, in: base)
            raw = connected.raw
            socket = consume connected
        } catch {
            guard case .port(let why) = error else { throw error.own }
            socket = nil
            raw = -1
            result = .failure(why)
            return
        }
        // A port that has refused already may have sent its reply, so an error here is ignored.
        _ = line.withUTF8 { send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
    }

    /// Reads available bytes, and gives the request up after its deadline.
    package func advance(_ now: MonotonicTime) {
        receive()
        if result == nil, deadline <= now {
            result = .failure(.noAnswer(name, "no reply within \(timeout / .milliseconds(1)) ms"))
        }
    }

    private func receive() {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while result == nil {
            let count = chunk.withUnsafeMutableBytes { recv(raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
            if count > 0 {
                reply += chunk[..<count]
                if reply.count > PortControl.longestReply { fail("its reply is incomplete") }
            } else if count == 0 {
                result = .success(reply)
            } else {
                switch Errno(rawValue: errno) {
                case .interrupted: continue
                case .wouldBlock: return
                case .connectionReset where !reply.isEmpty: result = .success(reply)
                case let error: fail("\(error)")
                }
            }
        }
    }

    private func fail(_ why: String) { result = .failure(.noAnswer(name, why)) }

    // MARK: The connection

    enum ConnectError: Error {
        /// A resource that this process lacks.
        case itself(Errno)
        case port(PortControlError)

        /// The error of this process.
        var own: Errno { if case .itself(let error) = self { error } else { .ioError } }
    }

    /// Connects to a port without waiting for it.
    static func connect(_ name: DeviceName, in base: String) throws(ConnectError) -> Descriptor {
        guard let address = UnixAddress(PortControl.socketPath(of: name, in: base)) else {
            throw .port(.noSuchPort(name))
        }
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let raw: Int32
        do { raw = try syscall("socket") { Glibc.socket(AF_UNIX, flags, 0) } } catch { throw .itself(error) }
        let socket = Descriptor(owning: raw)
        do {
            try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
            return socket
        } catch .noSuchFileOrDirectory, .connectionRefused, .notDirectory {
            throw .port(.noSuchPort(name))
        } catch .permissionDenied, .notPermitted {
            throw .port(.notPermitted(name))
        } catch .wouldBlock {
            throw .port(.noAnswer(name, "its connection queue is full"))
        } catch {
            throw .port(.noAnswer(name, "\(error)"))
        }
    }
}

// The meaning of replies.
extension ControlExchange {
    /// Parses the reply to a status request.
    package static func status(_ name: DeviceName, _ reply: [UInt8]) throws(PortControlError) -> PortStatus {
        do {
            return try PortStatus(parsing: reply)
        } catch {
            if line(reply).hasPrefix("error ") { try check(name, reply) }
            throw .noAnswer(name, "its status is malformed")
        }
    }

    /// Checks the reply to an order.
    package static func check(_ name: DeviceName, _ reply: [UInt8]) throws(PortControlError) {
        let line = line(reply)
        if line == "ok" { return }
        guard line.hasPrefix("error ") else { throw .noAnswer(name, line.isEmpty ? "its reply is empty" : line) }
        let why = String(line.dropFirst(6))
        if why == PortControl.notPermitted { throw .notPermitted(name) }
        throw .refused(name, why)
    }

    private static func line(_ reply: [UInt8]) -> String {
        String(decoding: reply.prefix { $0 != UInt8(ascii: "\n") }.prefix(300), as: UTF8.self).singleLine
    }
}
