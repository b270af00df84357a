import SerialLine

/// This machine's interfaces and their addresses, as last read by the supervisor.
package struct NetworkView: Equatable, Sendable {
    private struct Own: Equatable, Sendable {
        let address: IPAddress
        let subnet: Subnet
    }

    private var interfaces: [String: [Own]] = [:]

    package init() {}

    /// Adds an address of an interface.
    /// - Parameter prefix: length of its network prefix in bits; an address with an impossible prefix is ignored.
    package mutating func add(_ address: IPAddress, prefix: Int, interface: String) {
        let address = address.withoutZone
        guard let subnet = Subnet(of: address, prefix: prefix) else { return }
        interfaces[interface, default: []].append(Own(address: address, subnet: subnet))
    }

    package var isEmpty: Bool { interfaces.isEmpty }

    /// Whether it is an address of this machine, on any interface.
    package func isOwn(_ address: IPAddress) -> Bool {
        interfaces.values.contains { $0.contains { $0.address == address.withoutZone } }
    }

    /// Whether it is a broadcast address of a network that this machine is on.
    package func isBroadcast(_ address: IPAddress) -> Bool {
        interfaces.values.contains { $0.contains { $0.subnet.isBroadcast(address) } }
    }

    /// The networks of an interface; of all interfaces if nil.
    package func subnets(of interface: String?) -> [Subnet] {
        guard let interface else { return interfaces.values.flatMap { $0.map(\.subnet) } }
        return (interfaces[interface] ?? []).map(\.subnet)
    }
}
