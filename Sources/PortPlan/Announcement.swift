import SerialLine

/// A serial port as announced on the network. All of it is untrusted.
package struct Announcement: Equatable, Sendable {
    /// A claim to the port, by one host on one interface.
    package struct Claim: Equatable, Sendable {
        /// The host's name; empty while it is unknown.
        package let host: String
        /// The network interface on which the claim was received.
        package let interface: String
        /// This machine announces it.
        package let isLocal: Bool
        /// The servers of the port, in the order in which they are tried; empty while no address is known.
        package let endpoints: [Endpoint]
        /// Entries of the TXT record; nil if missing.
        package let security: String?
        package let functionClass: String?
        package let gensioStack: String?

        package init(
            host: String, interface: String, isLocal: Bool = false, endpoints: [Endpoint], security: String? = nil,
            functionClass: String? = nil, gensioStack: String? = nil
        ) {
            self.host = host
            self.interface = interface
            self.isLocal = isLocal
            self.endpoints = endpoints
            self.security = security
            self.functionClass = functionClass
            self.gensioStack = gensioStack
        }

        /// The entry of the TXT record that makes the port unusable; nil if there is no such entry.
        package var fault: String? {
            if let security, security != "no" {
                return "it requires security=\(security), which RFC 2217 cannot provide"
            }
            if let functionClass, functionClass != "ttynvt" {
                return "its function class is '\(functionClass)', not ttynvt"
            }
            if let gensioStack, !gensioStack.contains("rfc2217") { return "it speaks '\(gensioStack)', not RFC 2217" }
            return nil
        }
    }

    /// The instance name.
    package let name: String
    /// `_ttynvt._tcp`
    package let type: String
    package let domain: String
    /// The claims, one for each host and interface, in order of preference.
    package let claims: [Claim]

    package init(name: String, type: String, domain: String, claims: [Claim]) {
        self.name = name
        self.type = type
        self.domain = domain
        self.claims = claims
    }
}
