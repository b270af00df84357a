import Glibc
import Platform
import SerialLine
import SystemPackage

/// The supervisor's control socket, and the client's side of it.
package enum SupervisorControl {
    /// The socket's directory; under systemd it is the unit's RuntimeDirectory=.
    package static let directory = "/run/ttynvt-swift/supervisor"

    /// The reason why a request to the supervisor failed, in one line.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case notRunning
        case notPermitted
        /// The supervisor did not answer in time, or the answer was malformed.
        case noAnswer(String)
        /// The supervisor refused the request.
        case refused(String)

        package var description: String {
            switch self {
            case .notRunning: "no supervisor is running (systemctl start ttynvt-supervisor)"
            case .notPermitted: "no permission: only root may give orders to the supervisor (sudo)"
            case .noAnswer(let why): "the supervisor does not answer: \(why)"
            case .refused(let why): why
            }
        }
    }

    /// Sends an order, and waits until the supervisor has carried it out.
    package static func order(_ request: SupervisorRequest) throws(Failure) { _ = try ask(request) }

    /// The owners of names, and the hosts that claim them.
    package static func names(_ name: DeviceName? = nil) throws(Failure) -> [NameReport] {
        try ask(.names(name)).split(separator: "\n").compactMap { NameReport(line: $0) }
    }

    /// - Returns: the reply, if it is not an error.
    private static func ask(
        _ request: SupervisorRequest, in directory: String = directory, timeout: UInt64 = .seconds(5)
    ) throws(Failure) -> String {
        let reply: [UInt8]
        do throws(Errno) {
            reply = try exchange(request.line + "\n", "\(directory)/\(PortControl.socketName)", .now + timeout)
        } catch .noSuchFileOrDirectory, .connectionRefused, .notDirectory {
            throw .notRunning
        } catch .permissionDenied, .notPermitted {
            throw .notPermitted
        } catch {
            throw .noAnswer("\(error)")
        }
        let text = String(decoding: reply, as: UTF8.self)
        guard text.hasSuffix("\n") else { throw .noAnswer("its reply is incomplete") }
        guard text.hasPrefix("error ") else { return text }
        let why = String(text.dropFirst(6).prefix { $0 != "\n" }).singleLine
        throw why == PortControl.notPermitted ? .notPermitted : .refused(why)
    }

    private static func exchange(_ line: String, _ path: String, _ deadline: MonotonicTime) throws(Errno) -> [UInt8] {
        guard let address = UnixAddress(path) else { throw .fileNameTooLong }
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(owning: try syscall("socket") { Glibc.socket(AF_UNIX, flags, 0) })
        try syscall("connect") { address.withSockaddr { Glibc.connect(socket.raw, $0, $1) } }
        var line = line
        _ = line.withUTF8 { send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var reply: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while reply.count <= PortControl.longestReply {
            var polls = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
            guard try waitForEvents(&polls, nanoseconds: deadline.nanosecondsFromNow) > 0 else { throw .timedOut }
            let raw = socket.raw
            let count = try syscall("recv") { chunk.withUnsafeMutableBytes { recv(raw, $0.baseAddress, $0.count, 0) } }
            if count == 0 { break }
            reply += chunk[..<Int(count)]
        }
        return reply
    }
}
