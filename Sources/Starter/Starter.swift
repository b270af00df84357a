import CLinux
import Glibc
import Logging
import Platform
import PortControl
import PortPlan
import SerialLine
import SystemPackage

/// The reason why the starter cannot run, in one line.
package struct StarterError: Error, CustomStringConvertible {
    package let description: String
}

/// Carries out the supervisor's orders. It is the only program that runs as root: it uses no network, reads only
/// lines that `StartOrder` accepts, and does only what such a line can express. It ends when it has no orders;
/// systemd starts it again.
///
/// Concurrency model: one thread, one client at a time.
package struct Starter {
    /// Paths and users; tests replace the system's own.
    package struct Places {
        package var environment = StartOrder.environment
        package var devices = "/dev"
        /// The user that may give orders, besides root.
        package var supervisor = Privileges.supervisor

        package init() {}
    }

    /// A client that has not sent its order within this time is dropped, in nanoseconds.
    private static let patience: UInt64 = .seconds(1)

    private let places: Places
    private var units = UnitManager()
    private let log: Logger

    package init(_ places: Places = Places(), log: Logger) {
        self.places = places
        self.log = log
    }

    /// The socket on which systemd listens for the starter (sd_listen_fds(3)).
    package static func inheritedSocket() throws(StarterError) -> Descriptor {
        func number(_ name: String) -> Int32? { getenv(name).flatMap { Int32(String(cString: $0)) } }
        guard number("LISTEN_PID") == getpid(), number("LISTEN_FDS") == 1 else {
            throw StarterError(description: "only systemd can start the starter: systemctl start ttynvt-starter.socket")
        }
        let first: Int32 = 3
        _ = fcntl(first, F_SETFD, FD_CLOEXEC)
        return Descriptor(owning: first)
    }

    /// Serves until no order has come for a time.
    /// - Parameter idle: that time, in nanoseconds.
    package mutating func serve(_ socket: borrowing Descriptor, idle: UInt64 = .seconds(30)) throws(StarterError) {
        do throws(Errno) {
            try socket.setNonBlocking(true)
            while try serveNext(socket, idle: idle) {}
        } catch {
            throw StarterError(description: "cannot wait for orders: \(error)")
        }
    }

    /// - Returns: false if no client came in time.
    mutating func serveNext(_ socket: borrowing Descriptor, idle: UInt64) throws(Errno) -> Bool {
        var polls = [pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)]
        guard try waitForEvents(&polls, nanoseconds: idle) > 0 else { return false }
        let client = clinux_accept(socket.raw)
        if client >= 0 { serveClient(Descriptor(owning: client)) }
        return true
    }

    private mutating func serveClient(_ client: consuming Descriptor) {
        let answer: StartAnswer
        do throws(Errno) {
            // Read the line first: a client that is refused before it has sent its line does not read the reason.
            let line = try Self.readLine(client)
            let user = try PeerCredentials(of: client.raw).user
            answer = user == 0 || user == places.supervisor ? carryOut(line) : .refused("not permitted")
        } catch { return }
        if case .refused(let why) = answer { log.warning("\(why)") }
        let line = Array((answer.line.singleLine + "\n").utf8)
        // The socket's buffer is empty, and larger than any answer.
        _ = line.withUnsafeBytes { send(client.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Reads up to the first line feed, or to the size limit of an order.
    private static func readLine(_ client: borrowing Descriptor) throws(Errno) -> [UInt8] {
        let deadline = MonotonicTime.now + patience
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while line.count < StartOrder.longest {
            var polls = [pollfd(fd: client.raw, events: Int16(POLLIN), revents: 0)]
            guard try waitForEvents(&polls, nanoseconds: deadline.nanosecondsFromNow) > 0 else { throw .timedOut }
            let count = try syscall("recv") {
                chunk.withUnsafeMutableBytes { recv(client.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
            }
            guard count > 0 else { throw .connectionReset }
            line += chunk[..<count]
            // Bytes behind the line feed make the order malformed: an order is one line.
            if line.last == UInt8(ascii: "\n") { return line.dropLast() }
        }
        return line
    }

    /// Carries out an order, if the line is one.
    mutating func carryOut(_ line: [UInt8]) -> StartAnswer {
        do throws(StartOrder.Illegal) {
            return carryOut(try StartOrder(line: line))
        } catch {
            return .refused("illegal order: \(error)")
        }
    }

    private mutating func carryOut(_ order: StartOrder) -> StartAnswer {
        do {
            let environment = try environment()
            if let spec = order.spec { try environment.write(order.name, spec.environment) }
            switch order.verb {
            case .start:
                let note = try makeRoom(for: order.name)
                try units.start(order.unit)
                return .done(note: note)
            case .stop: try units.stop(order.unit)
            case .forget: environment.remove(order.name)
            case .retire: try PortControlClient(order.name).retire()
            case .write: break
            }
            return .done(note: "")
        } catch {
            return .refused("cannot \(order.verb) \(order.unit): \(error)")
        }
    }

    /// Opened anew for each order: if the directory is missing, only the order fails.
    private func environment() throws(StarterError) -> EnvironmentDirectory {
        do {
            return try EnvironmentDirectory(places.environment)
        } catch {
            throw StarterError(description: "cannot use \(places.environment): \(error)")
        }
    }

    /// Renames a regular file that has the device's name: a program that wrote to the name while there was no device
    /// has created it.
    /// - Returns: a note for the user; empty if there was no file.
    private func makeRoom(for name: DeviceName) throws(StarterError) -> String {
        let path = "\(places.devices)/\(name)"
        do {
            guard let saved = try FileSystem.setAside(path) else { return "" }
            let note =
                "renamed the regular file \(path) to \(saved): a program had written to it while the device did not exist"
            log.warning("\(note)")
            return note
        } catch .fileExists {
            throw StarterError(
                description: "\(path) and \(path)\(FileSystem.savedSuffix) are regular files: remove one of them"
            )
        } catch {
            throw StarterError(description: "cannot rename the regular file \(path): \(error)")
        }
    }
}
