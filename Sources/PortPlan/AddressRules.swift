import SerialLine

/// Decides which announced addresses may be servers.
package enum AddressRules {
    /// - Parameters:
    ///   - interface: the interface on which the announcement was received; nil if unknown: then the networks of all
    ///     interfaces count.
    ///   - isLocal: this machine announced it.
    /// - Returns: the reason why the address is refused; nil if it is accepted.
    package static func refusal(
        of address: IPAddress, on interface: String?, isLocal: Bool, networks: NetworkView, configuration: Configuration
    ) -> String? {
        switch address.scope {
        case .unspecified: return "it is not a host's address"
        case .multicast: return "it is a multicast address"
        case .broadcast: return "it is a broadcast address"
        case .loopback, .linkLocal, .other: break
        }
        if networks.isBroadcast(address) { return "it is the broadcast address of a network" }
        let isOwn = networks.isOwn(address)
        if address.scope == .loopback || isOwn {
            guard configuration.local else {
                return "it is this machine's own address: 'local = yes' in [discovery] allows it"
            }
            return isLocal ? nil : "it is this machine's own address, and another machine announces it"
        }
        if configuration.addresses.contains(where: { $0.contains(address) }) { return nil }
        if !address.isIPv4 && address.scope == .linkLocal {
            // Without a zone, the link of the address is unknown.
            guard let zone = address.zone else { return "the link-local address lacks its interface" }
            return interface == nil || zone == interface
                ? nil : "it is link-local on \(zone), not on \(interface ?? "")"
        }
        if networks.subnets(of: interface).contains(where: { $0.contains(address) }) { return nil }
        return "it is not on a network of \(interface ?? "this machine"): 'allow-addresses' in [discovery] can allow it"
    }

    /// As `refusal(of:on:isLocal:networks:configuration:)`; a text that is not an address is refused, too.
    package static func refusal(
        of endpoint: Endpoint, on interface: String?, isLocal: Bool, networks: NetworkView, configuration: Configuration
    ) -> String? {
        guard let address = IPAddress(endpoint.host) else { return "it is not an address" }
        return refusal(
            of: address, on: interface, isLocal: isLocal, networks: networks, configuration: configuration)
    }
}
