import CUSEDevice
import Glibc
import Logging
import Platform
import SerialLine
import VirtualTTY

/// The settings of a port's command line, from either of its two parsers.
struct PortSettings: Sendable {
    static let defaultGroup = "dialout"
    static let defaultOwner = "root"

    var server: String?
    var name: String?
    /// 0 lets the kernel choose.
    var major: UInt32 = 0
    var minor: UInt32 = 0
    /// A supervisor has started the port.
    var isSupervised = false
    var logsToStandardError = false
    /// Of `LogLevel`; other values count as the nearest.
    var logLevel = LogLevel.notice.rawValue
    var group = Self.defaultGroup
    var owner = Self.defaultOwner
    var mode = NodeMode(rawValue: 0o660)
    /// User to switch to if the process is root; nil for the default user.
    var user: String?
    /// The port connects once at the start.
    var checks = false
    /// The port's configuration, without servers, log level and minor number.
    var configuration: PortConfiguration

    init(configuration: PortConfiguration = PortConfiguration()) { self.configuration = configuration }

    /// A supervised port receives its servers in the environment, because all users can read command lines.
    var serverList: String? {
        server ?? (isSupervised ? getenv("TTYNVT_SERVERS").map { String(cString: $0) } : nil)
    }

    /// Checks the settings, and serves the port until a signal comes.
    func run() throws {
        let name: DeviceName
        let servers: [Endpoint]
        let server = serverList ?? ""
        Privileges.hideMemory()
        Heap.share()
        do {
            name = try DeviceName(self.name ?? "")
            servers = try [Endpoint](parsingList: server)
            try DeviceNode.check(name, major: major, minor: minor)
        } catch let error as EndpointListError {
            throw Failure("illegal server '\(server)' (-S): \(error)")
        } catch {
            throw Failure("\(error)")
        }
        guard major < 512, minor < 1 << 20 else {
            throw Failure("illegal device number \(major):\(minor): major is below 512, minor below 1048576 (-M, -m)")
        }
        try checkUserAndGroup()
        Privileges.gainNoMore()
        Signals.block()
        try PortProcess(name: name, servers: servers, settings: self, log: makeLog(name, servers)).run()
    }

    /// Only root can switch to another user. The default user and group may not exist: then an ID replaces the user,
    /// and udev sets the group.
    private func checkUserAndGroup() throws {
        guard geteuid() == 0 else { return }
        if let user, Privileges.user(named: user) == nil { throw Failure("no user '\(user)' (--user)") }
        guard owner == Self.defaultOwner || Privileges.user(named: owner) != nil else {
            throw Failure("no user '\(owner)' (--owner)")
        }
        guard group == Self.defaultGroup || Privileges.group(named: group) != nil else {
            throw Failure("no group '\(group)' (--group)")
        }
    }

    private func makeLog(_ name: DeviceName, _ servers: [Endpoint]) -> PortLog {
        var logger = makeLogger(level: logLevel, toStandardError: logsToStandardError)
        logger[metadataKey: "port"] = "\(name)"
        let log = PortLog(logger)
        log.setServers(servers)
        return log
    }
}
