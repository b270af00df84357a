import SerialLine

/// This machine's interfaces and their addresses, as the supervisor has read them.
package struct NetworkView: Equatable, Sendable {
    private struct Own: Equatable, Sendable {
        let address: IPAddress
        let subnet: Subnet
    }

    private var interfaces: [String: [Own]] = [:]

    package init() {}

    /// One more address of an interface.
    /// - Parameter prefix: of its network, in bits; one that no address of this kind can have makes it be left out.
    package mutating func add(_ address: IPAddress, prefix: Int, interface: String) {
        let address = address.withoutZone
        guard let subnet = Subnet(of: address, prefix: prefix) else { return }
        interfaces[interface, default: []].append(Own(address: address, subnet: subnet))
    }

    package var isEmpty: Bool { interfaces.isEmpty }

    /// Is it one of this machine's addresses, on any interface?
    package func isOwn(_ address: IPAddress) -> Bool {
        interfaces.values.contains { $0.contains { $0.address == address.withoutZone } }
    }

    /// Does it reach all of a network that this machine is on?
    package func isBroadcast(_ address: IPAddress) -> Bool {
        interfaces.values.contains { $0.contains { $0.subnet.isBroadcast(address) } }
    }

    /// The networks of an interface; of all interfaces if it is nil.
    package func subnets(of interface: String?) -> [Subnet] {
        guard let interface else { return interfaces.values.flatMap { $0.map(\.subnet) } }
        return (interfaces[interface] ?? []).map(\.subnet)
    }
}
