import SerialLine

/// The hosts from which a port's announcements are accepted.
package enum Trust: String, CaseIterable, Sendable {
    /// The first host; another one only after the user has accepted it.
    case firstUse = "first-use"
    /// All hosts.
    case announced
    /// No host, except for ports that the configuration names with a server or a host.
    case configured
}

/// A claim to a port that belongs to another host.
package struct Contest: Equatable, Sendable {
    package let name: DeviceName
    package let owner: HostName
    package let claimant: HostName
    /// The claimant's servers that pass the address rules.
    package let addresses: [Endpoint]
    /// The interface on which the claim was received.
    package let interface: String

    package init(
        name: DeviceName, owner: HostName, claimant: HostName, addresses: [Endpoint], interface: String
    ) {
        self.name = name
        self.owner = owner
        self.claimant = claimant
        self.addresses = addresses
        self.interface = interface
    }
}

/// The result of `Planner.accept`.
package enum Acceptance: Equatable, Sendable {
    /// The name belongs to this host from now on.
    case accepted(HostName)
    /// No other host announces the name, or the given host does not.
    case notContested
    /// Several hosts claim the name: the user must choose one.
    case severalClaimants([HostName])
}

/// The state of a port's connection, as reported by the port.
package enum PortHealth: Equatable, Sendable {
    /// - to: the address as text, `address:port`.
    case connected(to: String)
    /// The port tries to connect, without success.
    case failing(since: MonotonicTime)
    /// The port does not try to connect.
    case idle
}

/// The persistent memory of one name.
package struct RememberedPort: Equatable, Sendable {
    /// The host that owns the name.
    package var host: HostName
    /// The interfaces on which that host was received.
    package var interfaces: [String]
    /// The networks of its addresses, as text for the user.
    package var subnets: [String]
    /// The addresses in use, in the order in which they are tried.
    package var addresses: [Endpoint]
    /// Unix time in seconds.
    package var firstSeen: UInt64

    /// Most interfaces and subnets that are kept.
    package static let mostInterfaces = 8

    package init(host: HostName, interfaces: [String], subnets: [String], addresses: [Endpoint], firstSeen: UInt64) {
        self.host = host
        self.interfaces = Array(interfaces.prefix(Self.mostInterfaces))
        self.subnets = Array(subnets.prefix(Self.mostInterfaces))
        self.addresses = Array(addresses.prefix(AnnouncedPort.mostInUse))
        self.firstSeen = firstSeen
    }
}

/// The remembered names. When it is full, the newest name without a running port is forgotten, so many strangers
/// cannot push out an older name.
struct TrustBook: Equatable, Sendable {
    /// Most names remembered.
    static let capacity = 4096

    private(set) var records: [DeviceName: RememberedPort] = [:]

    subscript(name: DeviceName) -> RememberedPort? { records[name] }

    /// Remembers a name, or replaces its record.
    /// - Parameter isInUse: whether this port is running or wanted.
    /// - Returns: false if all other names are in use.
    mutating func insert(
        _ name: DeviceName, _ record: RememberedPort, isInUse: (DeviceName) -> Bool
    ) -> Bool {
        if records[name] == nil && records.count >= Self.capacity {
            guard let newest = newest(besides: isInUse) else { return false }
            records[newest] = nil
        }
        records[name] = record
        return true
    }

    /// The name that was first seen last, except those in use.
    func newest(besides isInUse: (DeviceName) -> Bool) -> DeviceName? {
        records.filter { !isInUse($0.key) }.max {
            ($0.value.firstSeen, $0.key.description) < ($1.value.firstSeen, $1.key.description)
        }?.key
    }

    mutating func remove(_ name: DeviceName) -> RememberedPort? { records.removeValue(forKey: name) }
}
