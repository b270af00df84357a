import ArgumentParser
import Discovery
import Glibc
import Logs

/// The announcement of `simulate`'s ports.
struct Advertising: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Announce the ports through Avahi as NAME-com1, NAME-com2, …; only on this machine if they listen on a "
                + "loopback address.", valueName: "name"))
    var advertise: String?

    @Option(help: ArgumentHelp("Service type to announce them as.", valueName: "type"))
    var advertiseType = "_ttynvt._tcp"

    func validate() throws {
        guard Browse.isServiceType(advertiseType) else {
            throw ValidationError(
                "illegal service type '\(LogLine.clean(advertiseType))': write one like _ttynvt._tcp")
        }
        // RFC 6763, section 4.1.1: an instance's name is at most 63 bytes; the longest suffix is -com1024.
        if let advertise, !(1...55).contains(advertise.utf8.count) {
            throw ValidationError("--advertise takes a name of 1 to 55 bytes, not \(advertise.utf8.count)")
        }
    }

    /// Creates the advertiser of these TCP ports; nil without an announcement.
    func advertiser(_ tcpPorts: [UInt16], listeningOn address: String) throws -> Advertiser? {
        guard let advertise else { return nil }
        let isLocal = address == "localhost" || address == "::1" || address.hasPrefix("127.")
        let loopback = isLocal ? Int32(clamping: if_nametoindex("lo")) : 0
        let services = tcpPorts.enumerated().map { index, port in
            Advertisement(
                name: "\(advertise)-com\(index + 1)", type: advertiseType, port: port, txt: txt,
                interface: loopback > 0 ? loopback : nil)
        }
        return try Advertiser(services) { Browse.note($0) }
    }

    /// The TXT records of real servers of the type: MIO04 boxes, ser2net.
    private var txt: [String] {
        advertiseType == "_iostream._tcp"
            ? ["gensiostack=telnet(rfc2217),tcp"]
            : ["funcclass=ttynvt", "security=no", "auxport=not_avail-0", "auxschema=not_avail"]
    }
}
