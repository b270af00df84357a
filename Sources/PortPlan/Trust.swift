import SerialLine

/// From which hosts a port's announcements are taken.
package enum Trust: String, CaseIterable, Sendable {
    /// Its first host, and no other until a person says so.
    case firstUse = "first-use"
    /// From every host.
    case announced
    /// From none, except for ports that the configuration names with a server or a host.
    case configured
}

/// A host that announces a port that belongs to another host.
package struct Contest: Equatable, Sendable {
    package let name: DeviceName
    package let owner: HostName
    package let claimant: HostName
    /// The claimant's servers that pass the address rules.
    package let addresses: [Endpoint]
    /// The interface on which the claim was heard.
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

/// What came of `Planner.accept`.
package enum Acceptance: Equatable, Sendable {
    /// The name belongs to this host from now on.
    case accepted(HostName)
    /// No other host announces it, or the host that was named does not.
    case notContested
    /// Several do: one has to be named.
    case severalClaimants([HostName])
}

/// How a port's connection stands, as the port itself reports it.
package enum PortHealth: Equatable, Sendable {
    /// - to: the address as text, `address:port`.
    case connected(to: String)
    /// It tries to connect and cannot.
    case failing(since: MonotonicTime)
    /// It does not try.
    case idle
}

/// The memory of one name, kept from start to start.
package struct RememberedPort: Equatable, Sendable {
    /// The host it belongs to.
    package var host: HostName
    /// The interfaces on which that host was heard.
    package var interfaces: [String]
    /// The networks of its addresses, as text: for people.
    package var subnets: [String]
    /// The addresses in use, in the order to try.
    package var addresses: [Endpoint]
    /// In seconds of Unix time.
    package var firstSeen: UInt64

    /// More interfaces, or subnets, are left out.
    package static let mostInterfaces = 8

    package init(host: HostName, interfaces: [String], subnets: [String], addresses: [Endpoint], firstSeen: UInt64) {
        self.host = host
        self.interfaces = Array(interfaces.prefix(Self.mostInterfaces))
        self.subnets = Array(subnets.prefix(Self.mostInterfaces))
        self.addresses = Array(addresses.prefix(AnnouncedPort.mostInUse))
        self.firstSeen = firstSeen
    }
}

/// Which names are remembered, and what about them. When it is full, the newest of those that do not run makes way:
/// many strangers cannot push out a name that was there before them.
struct TrustBook: Equatable, Sendable {
    /// Names remembered.
    static let capacity = 4096

    private(set) var records: [DeviceName: RememberedPort] = [:]

    subscript(name: DeviceName) -> RememberedPort? { records[name] }

    /// Remembers a name, or something else about it.
    /// - Parameter isInUse: does this port run or is it wanted?
    /// - Returns: false where all others are in use.
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

    /// The name that was first seen last, without those in use.
    func newest(besides isInUse: (DeviceName) -> Bool) -> DeviceName? {
        records.filter { !isInUse($0.key) }.max {
            ($0.value.firstSeen, $0.key.description) < ($1.value.firstSeen, $1.key.description)
        }?.key
    }

    mutating func remove(_ name: DeviceName) -> RememberedPort? { records.removeValue(forKey: name) }
}
