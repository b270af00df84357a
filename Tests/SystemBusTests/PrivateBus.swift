import CLinux
import Glibc
import Platform
import SerialLine
import SystemBus
import Testing

/// A dbus-daemon of the test's own, which SystemBus finds by DBUS_SYSTEM_BUS_ADDRESS. One at a time.
final class PrivateBus {
    private let directory: String
    private var process: pid_t = 0

    init() throws {
        var template = Array("/tmp/ttynvt-bus.XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        directory = String(cString: made)
        let address = "unix:path=\(directory)/bus"
        setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1)
        let arguments = [
            "dbus-daemon", "--session", "--address=\(address)", "--nofork", "--nopidfile", "--nosyslog",
        ]
        var strings = arguments.map { strdup($0) } + [nil]
        defer { strings.forEach { free($0) } }
        let error = posix_spawnp(&process, "dbus-daemon", nil, nil, &strings, clinux_environment())
        try #require(error == 0, "dbus-daemon (package dbus) does not start")
        let end = MonotonicTime.now + .seconds(10)
        while !takesConnections, MonotonicTime.now < end { usleep(2000) }
    }

    /// Its socket is there before it listens.
    private var takesConnections: Bool {
        guard let address = UnixAddress("\(directory)/bus") else { return false }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return address.withSockaddr { connect(descriptor, $0, $1) == 0 }
    }

    /// Ends the daemon.
    func stop() {
        guard process > 0 else { return }
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        process = 0
    }

    deinit {
        stop()
        unlink("\(directory)/bus")
        rmdir(directory)
    }
}

extension SystemBus {
    /// Processes until `ready`, or five seconds have passed.
    func run(until ready: () -> Bool) throws -> Bool {
        let end = MonotonicTime.now + .seconds(5)
        while !ready(), MonotonicTime.now < end {
            var descriptors = [pollfd(fd: descriptor, events: events, revents: 0)]
            let wait = min(timeout ?? .max, end.nanosecondsFromNow)
            try waitForEvents(&descriptors, nanoseconds: wait)
            try process()
        }
        return ready()
    }
}

/// A call of the daemon's own.
func daemon(_ member: String, _ arguments: BusValue...) -> BusCall {
    var call = BusCall(
        "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus", member)
    call.arguments = arguments
    return call
}
