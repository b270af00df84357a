import CUSEDevice
import Glibc
import Logging
import Platform
import SerialLine
import VirtualTTY

/// The settings of a port's command line, from either of its two readers.
struct PortSettings: Sendable {
    static let defaultGroup = "dialout"
    static let defaultOwner = "root"

    var server: String?
    var name: String?
    /// 0 lets the kernel choose.
    var major: UInt32 = 0
    var minor: UInt32 = 0
    /// A supervisor has started it.
    var isSupervised = false
    var logsToStandardError = false
    /// Of `LogLevel`; others count as the nearest.
    var logLevel = LogLevel.notice.rawValue
    var group = Self.defaultGroup
    var owner = Self.defaultOwner
    var mode = NodeMode(rawValue: 0o660)
    /// User to switch to if the process is root; nil for the ports' own user.
    var user: String?
    /// It connects once at the start.
    var checks = false
    /// How the port behaves; without servers, log level and minor number.
    var configuration: PortConfiguration

    init(configuration: PortConfiguration = PortConfiguration()) { self.configuration = configuration }

    /// A supervised port takes its servers from the environment, because every user can read command lines.
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

    /// Only root can become somebody. The defaults may be missing: then a number stands for them, or udev's word holds.
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
